"""What each step of the pipelines reads and writes: from its arguments, its result and the ledger's records.

A reader only reads. It tells of the decision that stands: a repeated step has the lineage of the first one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from iris_core import promotion
from iris_core.history.datasets import (
    Dataset,
    checks_of,
    dataset_at,
    fields_of,
    logged_dataset,
    model_dataset,
    object_dataset,
    record_dataset,
    registered_dataset,
)
from iris_core.ledger.records.action import RetrainRecord
from iris_core.ledger.records.base import Record
from iris_core.ledger.records.drift import BatchDriftRecord, PerformanceDriftRecord
from iris_core.ledger.records.objects import RejectedRecord
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.scoring.handover import received
from iris_core.scoring.output import added_columns
from iris_core.scoring.work import Scored, Shard
from iris_core.settings.variables import Settings
from iris_core.training import TrainingWork

MOST = 100
"""Most records that are read for one step. Airflow keeps as many inputs and as many outputs of a task."""


class Touched(NamedTuple):
    """A dataset that a step read, or wrote."""

    dataset: Dataset
    is_output: bool = False


@dataclass(frozen=True)
class Step:
    """A step that has ended.

    :param workspace: the step's.
    :param args: its other arguments.
    :param result: its result; None if it ended in an error.
    """

    workspace: Workspace
    args: Sequence[Any]
    result: Any


Reader = Callable[[Step], Iterator[Touched]]


def of_reconciling(step: Step) -> Iterator[Touched]:
    """The training data that was chosen."""
    if step.result:
        yield Touched(object_dataset(step.result.object))


def of_validation(step: Step) -> Iterator[Touched]:
    """The training data with its checks; the copy in the quarantine if it was refused."""
    work: TrainingWork = step.result or step.args[0]
    standing = None if work.validation else step.workspace.ledger.get(work.identity)
    yield Touched(_validated(step.workspace, work, standing))
    if isinstance(standing, RejectedRecord) and standing.outputs.quarantine:
        yield Touched(dataset_at(standing.outputs.quarantine), is_output=True)


def _validated(workspace: Workspace, work: TrainingWork, standing: Record | None) -> Dataset:
    evidence = work.validation
    if isinstance(standing, TrainedRecord):
        evidence = standing.evidence.validation
    elif isinstance(standing, RejectedRecord):
        evidence = standing.evidence.model_dump(mode="json")
    table = workspace.settings.project.table
    return object_dataset(work.object).knowing(
        rows=evidence.get("rows"),
        fields=fields_of(table, evidence["columns"]) if "columns" in evidence else None,
        checks=checks_of(evidence) or None,
    )


def of_training(step: Step) -> Iterator[Touched]:
    """The training data; the logged model with its scores, and the model's profile."""
    work: TrainingWork = step.args[0]
    trained = step.workspace.ledger.find(TrainedRecord, work.identity)
    if trained is None:
        yield Touched(object_dataset(work.object))
        return
    yield Touched(object_dataset(trained.about).knowing(rows=trained.evidence.rows))
    yield Touched(logged_dataset(step.workspace.settings.tracking_uri, trained), is_output=True)
    if trained.outputs.profile:
        yield Touched(dataset_at(trained.outputs.profile.uri), is_output=True)
    yield Touched(record_dataset(step.workspace.ledger, trained), is_output=True)


def of_promotion(step: Step) -> Iterator[Touched]:
    """The logged model and the data that it is judged on; the model version, also of a refused one."""
    trained = step.workspace.ledger.find(TrainedRecord, step.args[0])
    if trained is None:
        return
    tracking_uri = step.workspace.settings.tracking_uri
    yield Touched(object_dataset(trained.about).knowing(rows=trained.evidence.rows))
    yield Touched(logged_dataset(tracking_uri, trained))
    if decided := promotion.decision_on(step.workspace, trained.identity):
        yield Touched(registered_dataset(tracking_uri, trained, decided), is_output=True)
        yield Touched(record_dataset(step.workspace.ledger, decided), is_output=True)


def of_planning(step: Step) -> Iterator[Touched]:
    """The objects that are owed a scoring, and the model version."""
    for handed in islice(step.result or (), MOST):
        yield from _shard(step.workspace, Shard.model_validate(received(step.workspace, handed)))


def of_scoring(step: Step) -> Iterator[Touched]:
    """The objects of a shard, with the findings about refused ones, and the model version; the parts."""
    shard = Shard.model_validate(received(step.workspace, step.args[0]))
    yield from _shard(step.workspace, shard, are_judged=step.result is None)
    if step.result:
        for scored in map(Scored.model_validate, received(step.workspace, step.result)):
            head = scored.part.head if scored.part else None
            for written in filter(None, (head, scored.rejects)):
                yield Touched(object_dataset(written), is_output=True)


def _shard(workspace: Workspace, shard: Shard, are_judged: bool = False) -> Iterator[Touched]:
    yield Touched(model_dataset(workspace.settings.tracking_uri, shard.model))
    for work, _ in islice(shard.works, MOST):
        refused = workspace.ledger.find(RejectedRecord, work.identity) if are_judged else None
        checks = checks_of(refused.evidence.model_dump(mode="json")) if refused else None
        yield Touched(object_dataset(work.object).knowing(checks=checks or None))


def of_publication(step: Step) -> Iterator[Touched]:
    """The scored objects, the model version and the parts; predictions, rejects, manifest and record."""
    for published in islice(step.result or (), MOST):
        if scored := step.workspace.ledger.find(ScoredRecord, published["scoring"]):
            yield from _published(step.workspace, scored)
    for handed in islice(step.args[0], MOST):
        for one in map(Scored.model_validate, received(step.workspace, handed)):
            if one.part and one.part.head:
                yield Touched(object_dataset(one.part.head))


def _published(workspace: Workspace, scored: ScoredRecord) -> Iterator[Touched]:
    settings, found = workspace.settings, scored.evidence
    yield Touched(object_dataset(scored.about).knowing(rows=found.rows + found.rejected))
    yield Touched(model_dataset(settings.tracking_uri, scored.model))
    yield Touched(_predictions(settings, scored), is_output=True)
    if rejects := scored.outputs.rejects:
        yield Touched(object_dataset(rejects).knowing(rows=found.rejected), is_output=True)
    if manifest := scored.outputs.manifest:
        yield Touched(object_dataset(manifest), is_output=True)
    yield Touched(record_dataset(workspace.ledger, scored), is_output=True)


def _predictions(settings: Settings, scored: ScoredRecord) -> Dataset:
    """The predictions, with the columns that they have for certain: others of the input are carried over."""
    table, found = settings.project.table, scored.evidence
    columns = [*table.feature_names, *added_columns(table.classes, settings.prediction_probabilities)]
    return object_dataset(scored.outputs.predictions).knowing(
        rows=found.rows,
        fields=fields_of(table, columns),
        metrics=None if found.accuracy is None else {"accuracy": found.accuracy},
    )


def of_reports_planned(step: Step) -> Iterator[Touched]:
    """The predictions without a drift record."""
    for path in islice(step.result or (), MOST):
        if scored := step.workspace.ledger.find(ScoredRecord, path):
            yield Touched(_predictions(step.workspace.settings, scored))


def of_report(step: Step) -> Iterator[Touched]:
    """The predictions, the model version, its training data and its profile; the report and the verdict."""
    ledger, settings = step.workspace.ledger, step.workspace.settings
    if scored := ledger.find(ScoredRecord, step.args[0]):
        yield Touched(_predictions(settings, scored))
        yield Touched(model_dataset(settings.tracking_uri, scored.model))
        trained = ledger.find(TrainedRecord, scored.model.training)
        if trained and trained.outputs.profile:
            yield Touched(dataset_at(trained.outputs.profile.uri))
    if not step.result or not (drift := ledger.find(BatchDriftRecord, step.result["verdict"])):
        return
    if drift.inputs.reference:
        yield Touched(object_dataset(drift.inputs.reference))
    made = drift.outputs
    for uri in filter(None, (made.report_html, made.report_json, made.statistics)):
        yield Touched(dataset_at(uri), is_output=True)
    yield Touched(record_dataset(ledger, drift), is_output=True)


def of_conclusion(step: Step) -> Iterator[Touched]:
    """The verdicts of a run."""
    for report in islice(step.args[0], MOST):
        if record := step.workspace.ledger.get(report["verdict"]):
            yield Touched(record_dataset(step.workspace.ledger, record))


def of_labels(step: Step) -> Iterator[Touched]:
    """The labels, with the predictions and models that they judge; measurements and verdicts."""
    ledger = step.workspace.ledger
    for summary in islice(step.result or (), MOST):
        if not (verdict := ledger.find(PerformanceDriftRecord, summary["verdict"])):
            continue
        yield Touched(object_dataset(verdict.about))
        yield Touched(model_dataset(step.workspace.settings.tracking_uri, verdict.model))
        yield Touched(record_dataset(ledger, verdict), is_output=True)
        if measured := ledger.find(MeasuredRecord, verdict.inputs.performance):
            yield Touched(record_dataset(ledger, measured), is_output=True)
            for path in islice(measured.inputs.scorings, MOST):
                if scored := ledger.find(ScoredRecord, path):
                    yield Touched(_predictions(step.workspace.settings, scored))


def of_alerts(step: Step) -> Iterator[Touched]:
    """The records that messages are about: verdicts, requests to a human, what is late."""
    for delivered in islice(step.result or (), MOST):
        if record := step.workspace.ledger.get(delivered["about"]):
            yield Touched(record_dataset(step.workspace.ledger, record))


def of_request(step: Step) -> Iterator[Touched]:
    """The verdict that alerts, and the training data; the request."""
    requested = step.workspace.ledger.find(RetrainRecord, step.result["request"]) if step.result else None
    if requested is None:
        return
    if verdict := step.workspace.ledger.get(requested.inputs.verdict):
        yield Touched(record_dataset(step.workspace.ledger, verdict))
    yield Touched(object_dataset(requested.about))
    yield Touched(record_dataset(step.workspace.ledger, requested), is_output=True)
