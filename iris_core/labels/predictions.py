"""The published predictions that files of labels are joined to.

A task joins many files of labels to the same predictions: records and small tables are read once for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from iris_core.errors import ObjectMissing
from iris_core.labels.table import keys
from iris_core.ledger import Identity, Ledger, ModelRef, Outcome
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.scoring.output import PREDICTION, probability_column
from iris_core.settings.project import TableSchema
from iris_core.store.objects import ObjectStore, ObjectVersion
from iris_core.tables import OTHER, Batch, MemoryInput, StoredInput, Wanted, read
from iris_core.tables.ordered import ordered

READERS = 8
SMALL_BYTES = 4 << 20
"""Bytes; objects of predictions up to this size are read ahead, several at once."""
KEPT_BYTES, LARGEST_KEPT = 16 << 20, 128 << 10
"""Bytes of the tables that are kept for the next file of labels, and of the largest that is."""
JOINED_AT_ONCE = 250_000
JOINED_BATCHES = 16
"""Predictions are joined at so many rows or so many batches, whichever comes first."""


class WithoutKey(Exception):
    """A table of predictions has no column of the project's key."""


@dataclass(frozen=True)
class Published:
    """A scoring's predictions: the path of its record, the model, the object that holds them."""

    scoring: str
    model: ModelRef
    predictions: ObjectVersion

    @classmethod
    def of(cls, record: ScoredRecord) -> Published:
        """The predictions that a scoring's record names."""
        return cls(record.identity.path, record.model, record.outputs.predictions)


def probabilities(table: TableSchema) -> dict[str, str]:
    """By class: the column of its probability, where predictions have them."""
    return {name: probability_column(name) for name in table.classes}


class Predictions:
    """Reads published predictions for one task.

    :param ledger: names the scorings.
    :param store: holds their predictions.
    :param table: names key and classes.
    """

    def __init__(self, ledger: Ledger, store: ObjectStore, table: TableSchema) -> None:
        self.table = table
        self._ledger, self._store = ledger, store
        self._known: dict[Identity, Published | None] = {}
        self._kept: dict[str, tuple[pl.DataFrame, ...]] = {}
        self._room = KEPT_BYTES

    def since(self, since: datetime) -> list[Published]:
        """Predictions of the scorings recorded from this time on, newest first."""
        entries = self._ledger.journal("scoring", since=since)
        scored = dict.fromkeys(entry.identity for entry in entries if entry.outcome == Outcome.SCORED)
        found = (published for _, published in ordered(scored, self._published, READERS))
        return [published for published in found if published]

    def _published(self, identity: Identity) -> Published | None:
        if identity not in self._known:
            record = self._ledger.find(ScoredRecord, identity)
            self._known[identity] = Published.of(record) if record else None
        return self._known[identity]

    def tables(self, scored: Iterable[Published]) -> Iterator[tuple[Published, Iterator[pl.DataFrame]]]:
        """The predictions of these scorings, in this order: frames of key, prediction and probabilities.

        Reading the frames raises `WithoutKey` if there is no key to join by, `DataRejected` if they cannot be
        read, and `ObjectMissing` if they are gone.
        """
        for one, small in ordered(scored, self._read_ahead, READERS):
            yield one, self._frames(one, small)

    def _read_ahead(self, one: Published) -> bytes | None:
        version = one.predictions
        if one.scoring in self._kept or version.size > SMALL_BYTES or version.key.endswith(".parquet"):
            return None
        try:
            return self._store.read(version)
        except ObjectMissing:
            return None

    def _frames(self, one: Published, small: bytes | None) -> Iterator[pl.DataFrame]:
        if (kept := self._kept.get(one.scoring)) is not None:
            yield from kept
            return
        version, table = one.predictions, self.table
        given = StoredInput(self._store, version) if small is None else MemoryInput(small, version.uri)
        chances = tuple(probabilities(table).values())
        source = read(given, Wanted(chances, (PREDICTION,), table.classes, text=(table.key,)))
        if table.key not in source.columns:
            raise WithoutKey
        is_small, frames = version.size <= LARGEST_KEPT, []
        for frame in _keyed(source.batches(), table.key):
            frames += [frame] if is_small else []
            yield frame
        size = sum(frame.estimated_size() for frame in frames)
        if is_small and size <= self._room:
            self._kept[one.scoring] = tuple(frames)
            self._room -= int(size)


def _keyed(batches: Iterator[Batch], key: str) -> Iterator[pl.DataFrame]:
    """Frames of key, prediction and probabilities, each large enough to be worth a join."""
    held: list[pl.DataFrame] = []
    for batch in batches:
        predicted = batch.labels[PREDICTION].text().fill_null(OTHER).alias(PREDICTION)
        held.append(batch.text.select(keys(key), predicted).hstack(batch.features))
        if len(held) >= JOINED_BATCHES or sum(part.height for part in held) >= JOINED_AT_ONCE:
            yield pl.concat(held)
            held = []
    if held:
        yield pl.concat(held)
