"""From landed labels to the performance of each model version, recorded once per object version.

The newest version of every key below `TEAM_S3_LABELS_PREFIX` is owed a record. Labels that match no
prediction yet are joined again, for a day, when newer predictions are published. So the result is the same
whether labels or predictions land first.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from iris_core.errors import DataRejected, ObjectMissing
from iris_core.labels.history import log_performance
from iris_core.labels.matching import Measured, measured
from iris_core.labels.predictions import Predictions
from iris_core.ledger import Identity, Outcome, Record
from iris_core.ledger.look import EVERYTHING, Look
from iris_core.ledger.quarantine import quarantine_and_reject
from iris_core.ledger.reconcile import Scope, reconcile, supersede_older
from iris_core.ledger.records.drift import PerformanceDriftRecord
from iris_core.ledger.records.objects import (
    FailedRecord,
    LabelSettings,
    ObjectRecord,
    RejectedRecord,
    UnchangedRecord,
)
from iris_core.ledger.records.performance import MeasuredRecord, ModelPerformance
from iris_core.ledger.source import Source
from iris_core.ledger.tries import Tried
from iris_core.ledger.workspace import Workspace
from iris_core.settings.project import TableSchema
from iris_core.store.objects import ObjectVersion
from iris_core.tables import Input, StoredInput
from iris_core.tables.findings import shown

log = logging.getLogger(__name__)

WAIT = timedelta(days=1)
"""How long unmatched labels are joined again to newer predictions."""
OVERLAP = timedelta(minutes=5)
"""Added to the time looked back: a record becomes visible a little after its own time."""


@dataclass(frozen=True)
class OwedLabels:
    """Labels to join, and the identity of the decision.

    Scorings recorded from `since` on are joined, except the `known` ones: these labels have been joined to
    them before. Labels that are joined `again` have their decision; nothing is recorded if none matches now.
    """

    object: ObjectVersion
    identity: Identity
    since: datetime
    known: frozenset[str] = frozenset()
    again: bool = False


def labels_source(workspace: Workspace) -> Source:
    """The bucket and prefix where labels land."""
    return Source(workspace.settings.bucket, workspace.settings.labels_prefix)


def settings(table: TableSchema) -> LabelSettings:
    """The settings that labels are joined by; another key, target or class leads to new decisions."""
    parts = json.dumps([table.key, table.target, list(table.classes)])
    variant = "c" + hashlib.sha256(parts.encode()).hexdigest()[:12]
    return LabelSettings(key=table.key, target=table.target, classes=table.classes, variant=variant)


def _scope(workspace: Workspace) -> Scope:
    return Scope("performance", labels_source(workspace), settings(workspace.settings.project.table))


def tried(workspace: Workspace, one: OwedLabels) -> Tried:
    """A try at joining one object's labels."""
    inputs = FailedRecord.Inputs.of(one.object, _scope(workspace).using)
    return Tried(one.identity, inputs)


def reconcile_labels(workspace: Workspace, look: Look = EVERYTHING) -> list[OwedLabels]:
    """Labels without a decision, and labels that newer predictions may match.

    Labels that need no work are recorded first, as `superseded` or `unchanged`.

    :param look: the labels to look at; those of the last day that may match now are found in any case.
    """
    scope = _scope(workspace)
    horizon = timedelta(days=workspace.settings.labels_horizon_days)
    found = reconcile(workspace, scope, look=look).owed
    new = [OwedLabels(one.object, one.identity, one.object.landed_at - horizon) for one in found]
    return [*new, *_open(workspace, scope.using.variant)]


def _open(workspace: Workspace, config: str) -> Iterator[OwedLabels]:
    """Labels of the last day with some unmatched, if predictions were published since they were joined."""
    ledger = workspace.ledger
    scored = (entry.at for entry in ledger.journal("scoring") if entry.outcome == Outcome.SCORED)
    newest_scoring = next(scored, None)
    entries = ledger.journal("performance", since=datetime.now(UTC) - WAIT)
    joined = (Outcome.MEASURED, Outcome.UNMATCHED, Outcome.UNCHANGED)
    subjects = dict.fromkeys(
        (entry.identity.day, entry.identity.subject) for entry in entries if entry.outcome in joined
    )
    for day, subject in subjects:
        records = ledger.of_subject("performance", day, subject)
        mine = [r for r in records if isinstance(r, ObjectRecord) and r.variant.base == config]
        since = mine[-1].at - OVERLAP if mine else None
        if since and newest_scoring and since < newest_scoring and _is_open(workspace, mine):
            known = (path for r in mine if isinstance(r, MeasuredRecord) for path in r.inputs.scorings)
            identity = mine[-1].identity.again(len(mine))
            yield OwedLabels(mine[-1].about, identity, since, frozenset(known), again=True)


def _is_open(workspace: Workspace, records: list[ObjectRecord]) -> bool:
    joined = (record for record in records if isinstance(record, MeasuredRecord | UnchangedRecord))
    first: Record | None = next(joined, None)
    if isinstance(first, UnchangedRecord) and first.points_to:
        first = workspace.ledger.get(first.points_to)
    version = records[-1].about
    if not isinstance(first, MeasuredRecord) or not first.evidence.unmatched:
        return False
    if datetime.now(UTC) - version.landed_at > WAIT:
        return False
    try:
        return workspace.store.head(version.bucket, version.key).digest == version.digest
    except ObjectMissing:
        return False


def predictions_of(workspace: Workspace) -> Predictions:
    """The predictions that this deployment has published."""
    return Predictions(workspace.ledger, workspace.store, workspace.settings.project.table)


Judge = Callable[[Workspace, Identity, ObjectVersion, ModelPerformance], PerformanceDriftRecord]


@dataclass(frozen=True)
class Joined:
    """The `performance` record of one object's labels, and the verdicts on the model versions it measures."""

    record: Record
    verdicts: tuple[PerformanceDriftRecord, ...]


def measure(workspace: Workspace, one: OwedLabels, predictions: Predictions, judge: Judge) -> Joined | None:
    """Join one object's labels to published predictions, and record the performance of each model version.

    :param one: the labels.
    :param predictions: reads what they are joined to; the same for all labels of a task.
    :param judge: records the verdict on one model version; called before the record that names the verdict.
    :returns: None if another run has joined them, or if they were joined before and newer predictions match
        none.
    :raises DataRejected: the file cannot be used; recorded and quarantined first.
    :raises ObjectMissing: this object version is gone.
    """
    if workspace.ledger.get(one.identity):
        return None
    scored = [each for each in predictions.since(one.since) if each.scoring not in one.known]
    scope, settings = _scope(workspace), workspace.settings
    given = StoredInput(workspace.store, one.object, settings.max_unpack_ratio)
    try:
        found = measured(given, predictions, scored, settings.max_reject_share)
    except DataRejected as error:
        inputs = RejectedRecord.Inputs.of(one.object, scope.using)
        quarantine_and_reject(workspace, one.identity, inputs, error)
        raise
    if one.again and not found.models:
        return None
    joined = _commit(workspace, one, found, judge)
    supersede_older(workspace, scope, one.object)
    return joined


def _commit(workspace: Workspace, one: OwedLabels, found: Measured, judge: Judge) -> Joined:
    runs = [log_performance(workspace, one.object, each) for each in found.models.values()]
    verdicts = [judge(workspace, one.identity, one.object, each) for each in found.models.values()]
    record = MeasuredRecord(
        identity=one.identity,
        outcome=Outcome.MEASURED if found.models else Outcome.UNMATCHED,
        by=workspace.actor,
        reason=told(workspace, found) + ("" if found.models else " Newer predictions are tried for a day."),
        inputs=MeasuredRecord.Inputs(
            object=one.object,
            scorings=found.scorings,
            config=settings(workspace.settings.project.table),
        ),
        outputs=MeasuredRecord.Outputs(
            history_run_ids=tuple(runs), verdicts=tuple(record.identity.path for record in verdicts)
        ),
        evidence=found.evidence,
    )
    return Joined(workspace.ledger.commit(record).record, tuple(verdicts))


def preview(workspace: Workspace, given: Input) -> Measured:
    """Join a file of labels to the predictions of the last `LABELS_HORIZON_DAYS`. Records nothing.

    :raises DataRejected: the file cannot be used.
    """
    settings = workspace.settings
    since = datetime.now(UTC) - timedelta(days=settings.labels_horizon_days)
    predictions = predictions_of(workspace)
    return measured(given, predictions, predictions.since(since), settings.max_reject_share)


def told(workspace: Workspace, found: Measured) -> str:
    """The result in a sentence; if no label matched, the reason and what to do."""
    settings, key = workspace.settings, workspace.settings.project.table.key
    if found.models:
        parts = [
            f"version {each.model.version}: accuracy {each.accuracy:.3f} on {each.joined:,} rows"
            for each in sorted(found.models.values(), key=lambda each: -each.model.version)
        ]
        return f"{'; '.join(parts)}; {found.matched:,} of {found.labels:,} labels matched a prediction" + (
            f".{_written_otherwise(found)}" if found.alike else ""
        )
    days = f"the last {settings.labels_horizon_days} days (LABELS_HORIZON_DAYS)"
    if not found.tables:
        return f"No predictions were published in {days}: nothing to join {found.labels:,} labels to."
    if found.without_key == found.tables:
        return (
            f"Of {_tables(found.tables)} of predictions of {days}, none has a column {key!r}: give the "
            "inference data one, which scoring carries through, or name another as table.key in project.json."
        )
    return (
        f"None of {found.labels:,} labels has an id ({key!r}) that was predicted in {days}, in "
        f"{_tables(found.tables - found.without_key)}. Check that both files name the same things alike."
        f"{_written_otherwise(found)}"
    )


def _written_otherwise(found: Measured) -> str:
    """Unmatched ids beside those that were probably meant."""
    if not found.alike:
        return ""
    pairs = (f"{shown(label)} here is {shown(predicted)} there" for label, predicted in found.alike)
    return f" Perhaps {'; '.join(pairs)}."


def _tables(count: int) -> str:
    return f"{count:,} table{'' if count == 1 else 's'}"
