"""From landed labels to what they say of each model version, once per object version.

The newest version of every key below `TEAM_S3_LABELS_PREFIX` is owed a record. Labels of which some match no
prediction yet are looked at again when newer predictions are published, for a day: whichever comes first,
labels or predictions, the result is the same.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from iris_core.errors import DataRejected, ObjectMissing
from iris_core.labels.history import log_performance
from iris_core.labels.matching import Measured, ModelPerformance, Published, measured
from iris_core.ledger.ledger import UNCHANGED, Identity, Record
from iris_core.ledger.quarantine import quarantine
from iris_core.ledger.reconcile import Source, reconcile, supersede_older
from iris_core.ledger.workspace import Workspace
from iris_core.scoring.publication import SCORED
from iris_core.settings.project import TableSchema
from iris_core.store.objects import ObjectVersion
from iris_core.tables import Input, StoredInput
from iris_core.tables.ordered import ordered

log = logging.getLogger(__name__)

MEASURED = "measured"
UNMATCHED = "unmatched"
REJECTED = "rejected"
WAIT = timedelta(days=1)
"""How long labels that match nothing yet are held against newer predictions."""
OVERLAP = timedelta(minutes=5)
"""Records become visible a little after the time they bear."""
READERS = 8


@dataclass(frozen=True)
class Owed:
    """Labels to be joined, the identity of the decision, and since when predictions count.

    `known` scorings have been joined to these labels before.
    """

    object: ObjectVersion
    identity: Identity
    since: datetime
    known: frozenset[str] = frozenset()


def source(workspace: Workspace) -> Source:
    """Where labels land."""
    return Source(workspace.settings.bucket, workspace.settings.labels_prefix)


def variant(table: TableSchema) -> str:
    """A short identity of what decides about labels: another key, target or class decides anew."""
    parts = json.dumps([table.key, table.target, list(table.classes)])
    return "c" + hashlib.sha256(parts.encode()).hexdigest()[:12]


def _config(workspace: Workspace) -> dict[str, Any]:
    table = workspace.settings.project.table
    return {
        "config": {
            "key": table.key,
            "target": table.target,
            "classes": list(table.classes),
            "variant": variant(table),
        }
    }


def owed(workspace: Workspace) -> list[Owed]:
    """Labels that nothing was decided about yet, and those that newer predictions may match."""
    table = workspace.settings.project.table
    found = reconcile(workspace, "performance", source(workspace), variant(table), _config(workspace)).owed
    horizon = timedelta(days=workspace.settings.labels_horizon_days)
    new = [Owed(one.object, one.identity, one.object.landed_at - horizon) for one in found]
    return [*new, *_open(workspace, variant(table))]


def _open(workspace: Workspace, config: str) -> Iterator[Owed]:
    """Labels of the last day of which some are unmatched, where predictions have been published since."""
    since = _stamp(datetime.now(UTC) - WAIT)
    scored = (at for at, outcome, _ in workspace.ledger.journal("scoring") if outcome == SCORED)
    newest_scoring = next(scored, "")
    entries = takewhile(lambda entry: entry[0] >= since, workspace.ledger.journal("performance"))
    subjects = dict.fromkeys(
        (identity.day, identity.subject)
        for _, outcome, identity in entries
        if outcome in (MEASURED, UNMATCHED, UNCHANGED)
    )
    for day, subject in subjects:
        records = workspace.ledger.of_subject("performance", day, subject)
        mine = [record for record in records if record.variant.split("+")[0] == config]
        if mine and _stamp(mine[-1].at - OVERLAP) < newest_scoring and _is_open(workspace, mine):
            identity = Identity("performance", day, subject, f"{config}+{len(mine)}")
            known = frozenset(path for record in mine for path in record.inputs.get("scorings", ()))
            yield Owed(mine[-1].object(), identity, mine[-1].at - OVERLAP, known)


def _is_open(workspace: Workspace, records: list[Record]) -> bool:
    first = records[0]
    if first.outcome == UNCHANGED and first.points_to:
        first = workspace.ledger.get(Identity.parse(first.points_to)) or first
    version = records[-1].object()
    if not first.evidence.get("unmatched") or datetime.now(UTC) - version.landed_at > WAIT:
        return False
    try:
        return workspace.store.head(version.bucket, version.key).digest == version.digest
    except ObjectMissing:
        return False


def published(workspace: Workspace, since: datetime) -> Iterator[Published]:
    """Scorings recorded from this time on, newest first."""
    first = _stamp(since)
    entries = takewhile(lambda entry: entry[0] >= first, workspace.ledger.journal("scoring"))
    paths = dict.fromkeys(identity for _, outcome, identity in entries if outcome == SCORED)
    for _, record in ordered(paths, workspace.ledger.get, READERS):
        if record is not None and record.outcome == SCORED:
            yield Published.of(record)


Judge = Callable[[Workspace, Identity, ObjectVersion, ModelPerformance], Record]


@dataclass(frozen=True)
class Joined:
    """The `performance` record of some labels, and the verdicts on the model versions that they speak of."""

    record: Record
    verdicts: tuple[Record, ...]


def measure(workspace: Workspace, one: Owed, judge: Judge) -> Joined | None:
    """Join one object's labels to published predictions, and record what they say of each model version.

    :param judge: records the verdict on one model version; it is committed before the record that names it.
    :returns: None when another run has done it, or newer predictions match nothing: nothing new is known.
    :raises DataRejected: the file cannot be used; recorded and quarantined first.
    :raises ObjectMissing: this version is gone.
    """
    if workspace.ledger.get(one.identity):
        return None
    scored = [each for each in published(workspace, one.since) if each.scoring not in one.known]
    is_again = bool(one.known) or "+" in one.identity.variant
    table = workspace.settings.project.table
    given = StoredInput(workspace.store, one.object)
    try:
        found = measured(workspace.store, given, table, scored, workspace.settings.max_reject_share)
    except DataRejected as error:
        _reject(workspace, one, error)
        raise
    if is_again and not found.models:
        return None
    joined = _commit(workspace, one, found, judge)
    where, config = source(workspace), _config(workspace)
    supersede_older(workspace, "performance", where, one.object, variant(table), config)
    return joined


def _reject(workspace: Workspace, one: Owed, error: DataRejected) -> None:
    copied = quarantine(workspace, one.object, error)
    workspace.ledger.commit(
        one.identity,
        REJECTED,
        workspace.actor,
        reason=str(error),
        inputs={"object": one.object.model_dump(mode="json"), **_config(workspace)},
        outputs={"quarantine": copied.uri},
        evidence=error.evidence,
    )


def _commit(workspace: Workspace, one: Owed, found: Measured, judge: Judge) -> Joined:
    runs = [log_performance(workspace, one.object, each) for each in found.models.values()]
    verdicts = [judge(workspace, one.identity, one.object, each) for each in found.models.values()]
    content = found.model_dump(mode="json", exclude={"scorings"})
    committed = workspace.ledger.commit(
        one.identity,
        MEASURED if found.models else UNMATCHED,
        workspace.actor,
        reason=told(workspace, found) + ("" if found.models else " Newer predictions are tried for a day."),
        inputs={
            "object": one.object.model_dump(mode="json"),
            "scorings": list(found.scorings),
            **_config(workspace),
        },
        outputs={
            "history_run_ids": runs,
            "verdicts": [record.identity.path for record in verdicts],
        },
        evidence=content,
    )
    return Joined(committed.record, tuple(verdicts))


def preview(workspace: Workspace, given: Input) -> Measured:
    """Join a file of labels to what was predicted in `LABELS_HORIZON_DAYS`; records nothing.

    :raises DataRejected: the file cannot be used.
    """
    settings = workspace.settings
    since = datetime.now(UTC) - timedelta(days=settings.labels_horizon_days)
    scored = list(published(workspace, since))
    return measured(workspace.store, given, settings.project.table, scored, settings.max_reject_share)


def told(workspace: Workspace, found: Measured) -> str:
    """What was found, in a sentence; with nothing matched, why and what to do."""
    settings, key = workspace.settings, workspace.settings.project.table.key
    if found.models:
        parts = [
            f"version {each.model.version}: accuracy {each.accuracy:.3f} on {each.joined:,} rows"
            for each in sorted(found.models.values(), key=lambda each: -each.model.version)
        ]
        return f"{'; '.join(parts)}; {found.matched:,} of {found.labels:,} labels matched a prediction"
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
    )


def _tables(count: int) -> str:
    return f"{count:,} table{'' if count == 1 else 's'}"


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d/%H%M%S.%f")
