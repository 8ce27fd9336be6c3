"""The gate's rates, shortened; `make bench-gate` measures them on hundreds of models of each kind."""

from __future__ import annotations

import pytest

from benchmarks.trial import CONSTANT, POISONS, READINGS, Trial
from iris_core.promotion.measurement import Limits
from iris_core.settings.project_files import load_project
from iris_core.training.fitting import TrainingConfig, recipe

pytestmark = [pytest.mark.unit, pytest.mark.slow]

SEEDS = range(1000, 1004)
SOUND_SEEDS = range(1000, 1020)


@pytest.fixture(scope="module")
def trial() -> Trial:
    config = TrainingConfig(table=load_project().table)
    return Trial(
        config.table, lambda part: recipe(config).fit(part.features, part.labels), Limits(0.1, 0.02), rows=120
    )


def test_every_poisoned_model_is_refused(trial: Trial) -> None:
    outcomes = [outcome for seed in SEEDS for outcome in trial.poisoned(seed)]
    assert [(o.kind, o.reading, o.before) for o in outcomes if o.verdict.passed] == []
    planted = {(o.kind, o.reading, o.before) for o in outcomes}
    assert {kind for kind, _, _ in planted} == {*POISONS, CONSTANT}
    assert len(planted) == (len(POISONS) * len(READINGS) + 1) * 2


@pytest.mark.parametrize("kind", ["equal", "better", "first"])
def test_sound_models_are_accepted(trial: Trial, kind: str) -> None:
    verdicts = [getattr(trial, kind)(seed).verdict for seed in SOUND_SEEDS]
    assert sum(verdict.passed for verdict in verdicts) >= 0.95 * len(verdicts)
