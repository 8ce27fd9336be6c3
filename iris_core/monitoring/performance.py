"""Performance drift, measured with labels that arrive later: a drift record for each model version."""

from __future__ import annotations

import logging
from math import sqrt
from typing import Any

from iris_core import labels
from iris_core.drift.performance import Answered, PerformanceVerdict, performance_verdict, score_verdict
from iris_core.drift.thresholds import PERFORMANCE_ALPHA
from iris_core.errors import (
    DataRejected,
    DecidedElsewhere,
    NothingOwed,
    ObjectMissing,
    TryFailed,
    free_frames,
)
from iris_core.ledger import Identity, ModelRef
from iris_core.ledger.look import EVERYTHING, Look
from iris_core.ledger.records.drift import PerformanceDriftRecord, Undecided
from iris_core.ledger.records.gate import GateEvidence
from iris_core.ledger.records.performance import ModelPerformance
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.tries import one_try
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import verdicts
from iris_core.promotion.scores import ScoreLoss, certainty_loss, score_loss
from iris_core.settings.project import metric_label
from iris_core.store.objects import ObjectVersion

log = logging.getLogger(__name__)


def join_labels(workspace: Workspace, look: Look = EVERYTHING) -> list[dict[str, Any]]:
    """Join all labels that are owed and judge the models' performance; a bad file does not stop the others.

    :param look: the labels to look at.
    :returns: a summary of each verdict that was recorded: severity, sentence, record.
    :raises NothingOwed: there is nothing to judge; the message says why.
    :raises DataRejected: no file could be used; each is recorded and quarantined first.
    :raises TryFailed: no file was used, because of an unforeseen error.
    """
    trouble: list[DataRejected | TryFailed] = []
    done: list[labels.Joined] = []
    predictions = labels.predictions_of(workspace)
    for one in labels.reconcile_labels(workspace, look):
        try:
            with one_try(workspace, labels.tried(workspace, one)):
                joined = labels.measure(workspace, one, predictions, record_verdict)
        except (DecidedElsewhere, ObjectMissing) as error:
            log.warning("%s", error)
        except (DataRejected, TryFailed) as error:
            log.warning("%s", error)
            free_frames(error)
            trouble.append(error)
        else:
            done += [joined] if joined else []
    if trouble and not done:
        raise trouble[0]
    verdicts = [summary(record) for joined in done for record in joined.verdicts]
    if not verdicts:
        where = f"s3://{workspace.settings.bucket}/{workspace.settings.labels_prefix}"
        raise NothingOwed(done[-1].record.reason if done else f"All labels at {where} have their record.")
    return verdicts


def record_verdict(
    workspace: Workspace, labels: Identity, version: ObjectVersion, found: ModelPerformance
) -> PerformanceDriftRecord:
    """Record the verdict on one model version: compares its accuracy on the labels with that on its holdout.

    :param labels: the identity of the `performance` record. That record is committed after the verdicts, so a
        second attempt finds the verdicts of a killed one.
    :param version: the object that holds the labels.
    :param found: the model version's performance on the labels.
    """
    evidence = _evidence(workspace, Identity.of_performance(labels, found.model), version, found)
    record = PerformanceDriftRecord(
        identity=Identity.of_performance(labels, found.model),
        outcome="insufficient" if isinstance(evidence, Undecided) else evidence.severity,
        by=workspace.actor,
        reason=evidence.sentence,
        inputs=PerformanceDriftRecord.Inputs(performance=labels.path, current=version, model=found.model),
        evidence=evidence,
    )
    return workspace.ledger.commit(record).standing(PerformanceDriftRecord)


def _evidence(
    workspace: Workspace, identity: Identity, version: ObjectVersion, found: ModelPerformance
) -> PerformanceDriftRecord.Evidence | Undecided:
    reference = holdout_answers(workspace, found.model)
    if isinstance(reference, str):
        return Undecided(sentence=reference, columns=())
    right = sum(row.get(label, 0) for label, row in found.agreement.items())
    current = Answered(rows=found.joined, right=right)
    verdict = _in_metric(workspace, found, reference, current) or performance_verdict(reference, current)
    debounce = verdicts.debounced_now(workspace, identity, version, found.model, verdict)
    return PerformanceDriftRecord.Evidence(**verdict.model_dump(mode="json"), debounce=debounce)


def _in_metric(
    workspace: Workspace, found: ModelPerformance, reference: Answered, current: Answered
) -> PerformanceVerdict | None:
    """The verdict in the declared metric; None where that is accuracy, or cannot be had from answers.

    :param found: what the labels say of the model version.
    :param reference: how many of its holdout's rows were right.
    :param current: how many of the labelled ones.
    """
    metric = workspace.settings.project.metric
    training = workspace.ledger.find(TrainedRecord, found.model.training)
    if metric == "accuracy" or training is None or not found.joined:
        return None
    if metric == "log_loss":
        loss = _loss_of_certainty(workspace, training, found)
    else:
        before = training.evidence.agreement
        loss = score_loss(metric, before, found.agreement, PERFORMANCE_ALPHA) if before else None
    if loss is None:
        return None
    name = metric_label(metric).replace("_", " ") + " score"
    return score_verdict(name, (loss.before, loss.now), reference, current, loss.change)


def _loss_of_certainty(
    workspace: Workspace, training: TrainedRecord, found: ModelPerformance
) -> ScoreLoss | None:
    """The loss under log loss; None without probabilities in the predictions, or in the gate's evidence."""
    verdict = workspace.ledger.find(VerdictRecord, Identity.of_verdict(training.run_id, training.at))
    evidence, now = verdict.evidence if verdict else None, found.certainty
    if not isinstance(evidence, GateEvidence) or not evidence.is_by("log_loss") or now is None:
        return None
    return certainty_loss(evidence.judged, (now.mean, now.std / sqrt(now.rows)), PERFORMANCE_ALPHA)


def summary(record: PerformanceDriftRecord) -> dict[str, Any]:
    """The summary of a verdict that a task returns."""
    return {
        "verdict": record.identity.path,
        "severity": record.outcome,
        "sentence": record.reason,
        "report": record.report,
    }


def holdout_answers(workspace: Workspace, model: ModelRef) -> Answered | str:
    """The number of holdout rows and of right answers on them, or the reason why they are unknown."""
    name = f"{model.name} version {model.version}"
    if not model.training:
        return f"{name} was registered by hand: its accuracy on a holdout is unknown."
    training = workspace.ledger.find(TrainedRecord, model.training)
    if training is None:
        return f"The training record {model.training} of {name} is gone."
    kept = training.evidence
    return Answered(rows=kept.holdout_rows, right=round(kept.accuracy * kept.holdout_rows))
