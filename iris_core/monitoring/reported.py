"""Scorings without a drift record.

A mark in the ledger says before which hour every scoring has one. A look goes back to two days before the
mark, and to the days of verdicts that were opened again since; without a mark it goes back to the beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta

from iris_core.ledger import Identity, JournalEntry, Ledger, Outcome, Variant
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.settled import Settled
from iris_core.ledger.tries import standing_or_next
from iris_core.ledger.workspace import Workspace

OVERLAP = timedelta(days=2)
"""A scoring becomes visible a little after its own time, and later if its task was held up."""
DAY = timedelta(days=1)


def unreported(workspace: Workspace) -> list[str]:
    """Paths of the scorings without a drift record, oldest first. Read-only."""
    until = Settled.of(workspace, "reports").until(datetime.now(UTC))
    return [entry.identity.path for entry in unreported_since(workspace.ledger, _before(until))]


def settle_reported(workspace: Workspace) -> list[str]:
    """Paths of the scorings without a drift record, oldest first; set the mark before the first of them."""
    now, marks = datetime.now(UTC), Settled.of(workspace, "reports")
    owed = unreported_since(workspace.ledger, _before(marks.until(now)))
    marks.advance(owed[0].at if owed else now)
    return [entry.identity.path for entry in owed]


def _before(until: datetime | None) -> datetime | None:
    return until - OVERLAP if until else None


def unreported_since(ledger: Ledger, since: datetime | None) -> list[JournalEntry]:
    """Journal entries of the scorings without a drift record, oldest first.

    :param ledger: the ledger.
    :param since: only scorings since this time, and those of days whose verdicts were opened again since.
    """
    found = list(_without_record(ledger, ledger.journal("scoring", since=since)))
    for day in sorted(_opened_days(ledger, since), reverse=True) if since else ():
        begin = datetime.combine(day, time(), UTC)
        entries = ledger.journal("scoring", since=begin, before=min(begin + DAY, since or begin))
        found += _without_record(ledger, entries)
    return found[::-1]


def _opened_days(ledger: Ledger, since: datetime) -> set[date]:
    """The days before a time, of verdicts that were opened again after it."""
    opened = (entry for entry in ledger.journal("drift", since=since) if entry.outcome == Outcome.REOPENED)
    return {entry.identity.day for entry in opened if entry.identity.day <= since.date()}


def _without_record(ledger: Ledger, entries: Iterable[JournalEntry]) -> Iterator[JournalEntry]:
    days: dict[date, dict[str, tuple[Variant, ...]]] = {}
    for entry in entries:
        if entry.outcome != Outcome.SCORED:
            continue
        wanted = Identity.of_drift(entry.identity, entry.at)
        if wanted.day not in days:
            days[wanted.day] = ledger.decided_on("drift", wanted.day)
        variants = days[wanted.day].get(wanted.subject, ())
        is_open = len(variants) > 1 and standing_or_next(ledger, wanted)[0] is None
        if (is_open or not variants) and _stands(ledger, entry):
            yield entry


def _stands(ledger: Ledger, entry: JournalEntry) -> bool:
    record = ledger.find(ScoredRecord, entry.identity)
    return record is not None and record.at.date() == entry.at.date()
