"""The newest decisions of each kind: each journal is listed once, each record is read once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Self, TypeVar

from iris_core.ledger import KINDS, Identity, JournalEntry, Kind, Ledger, Record

Found = TypeVar("Found", bound=Record)

LOOKED_AT = 200
"""So many of the newest names of each kind's journal are looked at."""
SHOWN = 30
"""Most records of one sort that are read and shown."""
READERS = 8


@dataclass
class LastLook:
    """What a reader saw; who keeps it lists and reads only what is new, from the second time on.

    :param floors: since when each kind's journal was listed.
    :param records: the records that were read. A record never changes.
    """

    floors: dict[Kind, datetime] = field(default_factory=dict)
    records: dict[Identity, Record] = field(default_factory=dict)


@dataclass
class Recent:
    """Reads the newest decisions, several records at a time.

    :param ledger: where they are.
    :param last: what the reader before saw; changed to what this one sees.
    """

    ledger: Ledger
    last: LastLook = field(default_factory=LastLook)
    _entries: dict[Kind, tuple[JournalEntry, ...]] = field(default_factory=dict)
    _records: dict[Identity, Record | None] = field(default_factory=dict)
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(READERS, thread_name_prefix="iris-overview")
    )

    def __enter__(self) -> Self:
        listed = self._pool.map(self._listed, KINDS)
        self._entries = dict(zip(KINDS, listed, strict=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self.last.records = {name: record for name, record in self._records.items() if record}

    def _listed(self, kind: Kind) -> tuple[JournalEntry, ...]:
        entries: tuple[JournalEntry, ...] = ()
        if floor := self.last.floors.get(kind):
            entries = tuple(islice(self.ledger.journal(kind, floor), LOOKED_AT))
        if len(entries) < LOOKED_AT:
            entries = tuple(islice(self.ledger.journal(kind), LOOKED_AT))
        if len(entries) == LOOKED_AT:
            self.last.floors[kind] = entries[-1].at
        return entries

    def entries(self, kind: Kind, outcomes: Collection[str] = ()) -> tuple[JournalEntry, ...]:
        """Names of the newest decisions of a kind, newest first.

        :param kind: the kind of decision.
        :param outcomes: only those with one of these; empty for all.
        """
        return tuple(entry for entry in self._entries[kind] if not outcomes or entry.outcome in outcomes)

    def is_all(self, kind: Kind) -> bool:
        """Whether these are all decisions of a kind."""
        return len(self._entries[kind]) < LOOKED_AT

    def read(self, entries: Iterable[JournalEntry], most: int = SHOWN) -> Iterator[Record]:
        """The records of the first entries; entries of attempts that did not commit are left out.

        :param entries: names of decisions.
        :param most: how many records are read.
        """
        wanted = list(islice(entries, most))
        unread = [entry.identity for entry in wanted if entry.identity not in self._records]
        self._records.update(zip(unread, self._pool.map(self._record, unread), strict=True))
        for entry in wanted:
            record = self._records[entry.identity]
            if record is not None and record.at == entry.at:
                yield record

    def _record(self, identity: Identity) -> Record | None:
        return self.last.records.get(identity) or self.ledger.get(identity)

    def of(self, what: type[Found], outcomes: Collection[str] = (), most: int = SHOWN) -> list[Found]:
        """The newest records of one type, newest first.

        :param what: the type.
        :param outcomes: only those with one of these; empty for all.
        :param most: how many records are read.
        """
        found = self.read(self.entries(what.KIND, outcomes), most)
        return [record for record in found if isinstance(record, what)]
