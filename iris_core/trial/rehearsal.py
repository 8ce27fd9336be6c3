"""Runs a table through what the pipelines do, in this process, and records nothing."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from iris_core.drift.known import Known, Rejected
from iris_core.drift.performance import Answered
from iris_core.drift.sides import Side, judged, read_side
from iris_core.drift.verdict import DriftVerdict
from iris_core.models.decide import Decider
from iris_core.models.holdout import training_table
from iris_core.models.profile import Profile, profile_of
from iris_core.promotion.gate import Verdict, gate_verdict
from iris_core.promotion.judgement import holdout_of, limits_of
from iris_core.promotion.measurement import measure_model
from iris_core.scoring.counts import Counts
from iris_core.scoring.engine import require_usable, score_table
from iris_core.scoring.output import Nowhere, Options, Scoring
from iris_core.settings.project import TableSchema
from iris_core.settings.variables import Settings
from iris_core.tables import Input, LocalInput
from iris_core.training.estimators import check_model
from iris_core.training.fitting import Fitted, TrainingConfig, fit
from iris_core.training.validation import Evidence, validate_training


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """What the pipelines would say of a table, and of a second one that the model scores."""

    validated: Evidence
    fitted: Fitted
    verdict: Verdict
    scored: Counts | None = None
    drift: DriftVerdict | None = None


def rehearse(settings: Settings, given: Input, test: Input | None = None) -> Rehearsal:
    """Validate a table, train on it, judge the model as a first one, and score and compare a second table.

    :param settings: the limits, and the project with its table.
    :param given: the training table.
    :param test: the table to score, if there is one.
    :raises DataRejected: a table is refused; the message says why.
    :raises ConfigError: the classifier that project.json names cannot be trained.
    """
    config = TrainingConfig.of(settings.project)
    if config.model:
        check_model(config.model, config.table, config.seed)
    validated = validate_training(given, config.table, settings.max_repeat_share, settings.max_train_mb)
    learnt = training_table(given, config.table)
    table = learnt.table
    config = config.model_copy(update={"table": table})
    fitted = fit(learnt.frame, config)
    found = Rehearsal(validated, fitted, _verdict(settings, given, fitted, config))
    if test is None:
        return found
    counts, current = _scored(settings, test, fitted, table)
    profile = profile_of(learnt, fitted.parts, fitted.pipeline)
    known = _known(settings, fitted, profile, counts)
    return replace(found, scored=counts, drift=judged(profile.side(table), current, table, known))


def _verdict(settings: Settings, given: Input, fitted: Fitted, config: TrainingConfig) -> Verdict:
    holdout = holdout_of(given.where, fitted.parts, config.settings)
    evidence = measure_model(config.table, fitted.parts, holdout, fitted.pipeline, limits_of(settings))
    return gate_verdict(evidence)


def _scored(settings: Settings, test: Input, fitted: Fitted, table: TableSchema) -> tuple[Counts, Side]:
    """The counts of a scoring, and its predictions as drift reads them: without the rows that it rejects."""
    how = Scoring(Decider(fitted.pipeline, table.feature_names), table, Options("0"))
    with tempfile.TemporaryDirectory(prefix="iris-trial-") as folder:
        predictions = Path(folder) / "predictions.csv"
        with predictions.open("wb") as file:
            counts = score_table(test, how, file, Nowhere()).counts
        require_usable(counts, test.where, settings.max_reject_share)
        return counts, read_side(LocalInput(predictions), table)


def _known(settings: Settings, fitted: Fitted, profile: Profile, counts: Counts) -> Known:
    rows = len(fitted.parts.holdout)
    return Known(
        weights=profile.weights or {},
        holdout=Answered(rows=rows, right=round(fitted.metrics["accuracy"] * rows)),
        rejected=Rejected.of_faults(counts.rejected, [fault.model_dump() for fault in counts.faults]),
        spread=settings.drift_batch_spread,
    )
