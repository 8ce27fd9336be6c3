"""By which spread a batch is judged: declared, or learnt from the model's first batches and kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from iris_core.drift.known import Earlier
from iris_core.drift.spread import LEARNT_FROM, Spread
from iris_core.drift.statistics import of_frame
from iris_core.monitoring.report import spread_of
from iris_core.settings.variables import Settings, load_settings

pytestmark = pytest.mark.unit


def _settings(**given: str) -> Settings:
    return load_settings({**given})


def _batches(count: int, spread: float) -> list[Earlier]:
    rng = np.random.default_rng(1)
    tables = (pl.DataFrame({"a": rng.normal(rng.normal(0, spread), 1, 200)}) for _ in range(count))
    return [Earlier(of_frame(table, ["a"]), is_judged=True) for table in tables]


def test_it_is_as_declared_unless_it_shall_be_learnt() -> None:
    declared = _settings(DRIFT_BATCH_SPREAD="0.2")
    assert spread_of(declared, _batches(30, 0.5)) == Spread(value=0.2)


def test_it_is_learnt_from_the_fifth_batch_on_up_to_the_twentieth() -> None:
    learning = _settings(DRIFT_BATCH_SPREAD="0.2", DRIFT_LEARN_SPREAD="true")
    assert spread_of(learning, _batches(4, 0.5)) == Spread(value=0.2)
    assert spread_of(learning, _batches(5, 0.5)).batches == 5
    learnt = spread_of(learning, _batches(60, 0.5))
    assert learnt.batches == LEARNT_FROM
    assert 0.4 < learnt.value < 0.9


def test_what_was_learnt_stays_when_the_first_batches_are_out_of_sight() -> None:
    learning = _settings(DRIFT_LEARN_SPREAD="true")
    drifting = _batches(30, 3.0)
    drifting[-1] = replace(drifting[-1], spread=Spread(value=0.1, batches=LEARNT_FROM))
    assert spread_of(learning, drifting) == Spread(value=0.1, batches=LEARNT_FROM)
    drifting[-1] = replace(drifting[-1], spread=Spread(value=0.1, batches=LEARNT_FROM - 1))
    assert spread_of(learning, drifting).value > 1


def test_it_is_in_standard_deviations_of_the_rows_also_where_values_are_few() -> None:
    rng = np.random.default_rng(2)
    shares = rng.normal(0.1, 0.03, 20).clip(0.01, 0.5)  # 0.1 sd of a column that is 1 in a tenth of the rows
    tables = (pl.DataFrame({"a": np.where(rng.random(3_000) < share, 1.4, -0.1)}) for share in shares)
    few = [Earlier(of_frame(table, ["a"]), is_judged=True) for table in tables]
    assert 0.08 < spread_of(_settings(DRIFT_LEARN_SPREAD="true"), few).value < 0.16
