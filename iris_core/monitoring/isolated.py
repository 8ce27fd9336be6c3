"""Leaves out verdicts that cannot alert, because too few near them drift; reads a few records for each.

N of M counts among the batches that landed last. The journal's names tell which verdicts may count as drift.
If enough batches without drift landed between such a verdict and those before it, they are out of its window.
Batches whose verdicts come later only push them further out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from iris_core.ledger import Identity, JournalEntry, Ledger
from iris_core.ledger.records.drift import DriftRecord
from iris_core.monitoring.verdicts import CLOCKS, Series, around, by_series, violating
from iris_core.settings.variables import Settings

MOST_ASKED = 10
"""If more verdicts of a series may alert, it drifts: then none is left out."""
LOOKED_BEHIND = 20
"""So many names behind the verdicts asked about are looked at; all others are taken for drift."""
MOST_READ = 10
"""Most batches that are read to leave out one verdict."""


def may_alert(settings: Settings, ledger: Ledger, asked: Collection[Identity]) -> set[Identity]:
    """The verdicts asked about without those that cannot alert.

    :param settings: hold N and M.
    :param ledger: where the verdicts are.
    :param asked: verdicts whose severity may alert.
    """
    if settings.drift_violations == 1:
        return set(asked)
    kept: set[Identity] = set()
    for series, mine in by_series(asked).items():
        if len(mine) > MOST_ASKED:
            kept |= mine
            continue
        window = _Window(settings, ledger, *_entries(ledger, series, mine))
        kept |= {identity for identity in mine if not window.leaves_alone(identity)}
    return kept


def _entries(
    ledger: Ledger, series: Series, asked: Collection[Identity]
) -> tuple[list[JournalEntry], datetime | None]:
    """Entries of a series, newest first, down to `LOOKED_BEHIND` behind the oldest one asked about.

    :returns: the entries, and if there may be older ones, a time before which their batches landed.
    """
    left, found, behind = set(asked), list[JournalEntry](), 0
    for entry in around(ledger, series, asked):
        found.append(entry)
        behind += not left
        left.discard(entry.identity)
        if behind == LOOKED_BEHIND:
            return found, entry.at + CLOCKS
    return found, None


@dataclass
class _Window:
    """The verdicts of one series around those asked about.

    :param entries: their entries in the journal, newest first.
    :param older: a time before which the batches of older entries landed; None if there are none.
    """

    settings: Settings
    ledger: Ledger
    entries: Sequence[JournalEntry]
    older: datetime | None
    _read: dict[Identity, DriftRecord | None] = field(default_factory=dict)

    def leaves_alone(self, asked: Identity) -> bool:
        """Whether it is sure that this verdict does not alert."""
        record, others = self._record(asked), self.settings.drift_violations - 1
        place = next(n for n, entry in enumerate(self.entries) if entry.identity == asked)
        if record is None:
            return False
        landed = record.about.landed_at
        older = [self.older] * others if self.older else []
        drifting = sorted([*self._drifting_until(asked, place, landed), *older], reverse=True)
        if len(drifting) < others:
            return True
        since = drifting[others - 1]
        between, enough = set[Identity](), self.settings.drift_window - others
        for one in self._steady_before(place, since):
            if since < one.about.landed_at < landed:
                between.add(one.identity)
            if len(between) == enough:
                return True
        return False

    def _drifting_until(self, asked: Identity, place: int, landed: datetime) -> Iterator[datetime]:
        """For each other batch that may count, and may have landed before the one asked about, a time before
        which it landed: that of its verdict, or its own.
        """
        for number, entry in enumerate(self.entries):
            if entry.identity == asked or entry.outcome not in violating(self.settings):
                continue
            if number > place:
                yield entry.at + CLOCKS
            elif (record := self._record(entry.identity)) and record.about.landed_at <= landed:
                yield record.about.landed_at

    def _steady_before(self, place: int, since: datetime) -> Iterator[DriftRecord]:
        """Verdicts without drift that were recorded before the one asked about, of batches since a time."""
        steady = (
            entry for entry in self.entries[place + 1 :] if entry.outcome not in violating(self.settings)
        )
        for number, entry in enumerate(steady):
            if number == MOST_READ or entry.at + CLOCKS <= since:
                return
            record = self._record(entry.identity)
            if record and record.outcome not in (*violating(self.settings), "insufficient"):
                yield record

    def _record(self, identity: Identity) -> DriftRecord | None:
        if identity not in self._read:
            record = self.ledger.get(identity)
            self._read[identity] = record if isinstance(record, DriftRecord) and record.model else None
        return self._read[identity]
