"""Which verdicts are later than promised (`VERDICT_WITHIN`): computed from bucket and ledger. Read-only.

The verdict on training data is the decision about its model, that on inference data is the drift verdict,
that on labels is their joining. Whatever ends the work earlier is a decision, too, and keeps the promise:
`rejected`, `unchanged`, `superseded`, `failed`, a request to a human. The promise is about landed versions:
what a newly staged model scores again, or drift trains on again, has had its verdict. Nobody waits for what
was deleted, or for a model whose successor is judged already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from iris_core.ledger import Identity, Kind, Ledger, Outcome, Record
from iris_core.ledger.owed import Decisions
from iris_core.ledger.recorded import records_about
from iris_core.ledger.records.objects import ObjectRecord, ReopenedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.settled import Settled
from iris_core.ledger.source import Source
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring.reported import unreported_since
from iris_core.store.versions import ObjectVersion

HORIZON = timedelta(days=7)
"""What landed so long before the promised time is not looked at."""
VISIBLE = timedelta(hours=2)
"""A record is visible so long after its own time, at the latest."""
LISTED = 100_000
"""For each so many decided versions below a prefix, the prefix is listed a minute less often."""
MARK = "promised"


class Waiting(NamedTuple):
    """A landed version without a verdict.

    :param object: the version.
    :param missing: the kind of the next decision that it waits for.
    :param since: when it landed, or was last opened again.
    :param reopened: how often it was opened again.
    """

    object: ObjectVersion
    missing: Kind
    since: datetime
    reopened: int = 0


class LookedAt(NamedTuple):
    """What waits for a verdict, oldest first.

    `is_all` says whether every place was listed. Trainings and scorings recorded before `until` wait no more.
    """

    waiting: Sequence[Waiting]
    is_all: bool
    until: datetime

    def late(self, within: timedelta, now: datetime) -> list[Waiting]:
        """What has waited for longer than was promised."""
        return [one for one in self.waiting if now - one.since > within]


def look(workspace: Workspace, within: timedelta, now: datetime) -> LookedAt:
    """Look for landed versions without a verdict.

    :param within: the promised time.
    :param now: the time that it is about.
    """
    found = _Look(workspace, now - within - HORIZON, now)
    settings = workspace.settings
    places: tuple[tuple[Kind, str], ...] = (
        ("training", settings.train_key),
        ("scoring", settings.test_key),
        ("performance", settings.labels_prefix),
    )
    for kind, key in places:
        found.add(kind, found.undecided(kind, Source(settings.bucket, key)))
    begun = Settled.of(workspace, MARK).until(now)
    since = max(begun - VISIBLE, found.since) if begun else found.since
    found.add("training", found.half_way(_unjudged(workspace.ledger, since)))
    found.add("training", found.half_way(_reopened(workspace.ledger, since)))
    found.add("scoring", found.half_way(_unreported(workspace.ledger, since)))
    waiting = sorted(found.waiting.values(), key=lambda one: one.since)
    return LookedAt(waiting, found.is_all, min(found.begun, default=now - VISIBLE))


@dataclass
class _Look:
    """A look for what landed since a time and has no verdict."""

    workspace: Workspace
    since: datetime
    now: datetime
    waiting: dict[str, Waiting] = field(default_factory=dict)
    begun: list[datetime] = field(default_factory=list)
    """When those were recorded that are followed by no verdict."""
    is_all: bool = True

    def add(self, kind: Kind, versions: Iterable[ObjectVersion]) -> None:
        """Add those of the versions that have no verdict by their records."""
        for version in versions:
            if version.landed_at >= self.since and (one := waits(self.workspace.ledger, kind, version)):
                self.waiting[version.digest] = one

    def undecided(self, kind: Kind, source: Source) -> Iterator[ObjectVersion]:
        """Versions that may have no decision, of keys that were not deleted."""
        decisions = Decisions.of_all(self.workspace.ledger, kind)
        every = 1 + (decisions.known // LISTED if source.key.endswith("/") else 0)
        if int(self.now.timestamp()) // 60 % every:
            self.is_all = False
            return
        for versions in source.landed_since(self.workspace.store, self.since):
            if versions[0].is_current and not decisions.settled(versions):
                yield from (item.object for item in versions if decisions.may_wait(item.object))

    def half_way(self, records: Iterable[ObjectRecord]) -> Iterator[ObjectVersion]:
        """The objects of records whose verdict is missing; notes when these were recorded."""
        for record in records:
            self.begun.append(record.at)
            yield record.about


def _unjudged(ledger: Ledger, since: datetime) -> Iterator[TrainedRecord]:
    """Trainings since a time whose model, and any on newer data, has no decision; newest data first."""
    entries = (entry for entry in ledger.journal("training", since=since) if entry.outcome == Outcome.TRAINED)
    trained = [record for record in ledger.records(entries) if isinstance(record, TrainedRecord)]
    for record in sorted(trained, key=lambda one: (one.about.landed_at, one.at), reverse=True):
        if _after_reopening(_verdicts(ledger, record))[0]:
            return
        yield record


def _reopened(ledger: Ledger, since: datetime) -> Iterator[ReopenedRecord]:
    for entry in ledger.journal("promotion", since=since):
        if entry.outcome == Outcome.REOPENED and (record := ledger.find(ReopenedRecord, entry.identity)):
            yield record


def _unreported(ledger: Ledger, since: datetime) -> Iterator[ScoredRecord]:
    for entry in unreported_since(ledger, since):
        if record := ledger.find(ScoredRecord, entry.identity):
            yield record


def waits(ledger: Ledger, kind: Kind, version: ObjectVersion) -> Waiting | None:
    """What a version waits for by its records; None if it has a verdict. Any model's or setting's counts.

    :param ledger: the ledger.
    :param kind: the first decision about such a version.
    :param version: the version.
    """
    standing, opened = _after_reopening(records_about(ledger, kind, version))
    missing = kind
    for record in standing:
        if not isinstance(record, TrainedRecord | ScoredRecord):
            return None
        verdicts, again = _after_reopening(_verdicts(ledger, record))
        if verdicts:
            return None
        missing = "promotion" if isinstance(record, TrainedRecord) else "drift"
        opened = [*opened, *again]
    return Waiting(version, missing, max([version.landed_at, *opened]), len(opened))


def _verdicts(ledger: Ledger, record: TrainedRecord | ScoredRecord) -> list[Record]:
    """The decisions that follow from a training or a scoring, oldest first."""
    if isinstance(record, TrainedRecord):
        verdict = Identity.of_verdict(record.run_id, record.at.astimezone(UTC))
    else:
        verdict = Identity.of_drift(record.identity, record.at)
    return ledger.of_subject(verdict.kind, verdict.day, verdict.subject)


def _after_reopening(records: Sequence[Record]) -> tuple[Sequence[Record], list[datetime]]:
    """The decisions since the last reopening, and when each reopening was.

    :param records: decisions, oldest first.
    """
    opened = [place for place, record in enumerate(records) if record.outcome == Outcome.REOPENED]
    return records[opened[-1] + 1 if opened else 0 :], [records[place].at for place in opened]
