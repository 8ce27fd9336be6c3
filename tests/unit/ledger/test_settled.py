"""Marks, and notes of versions, beside objects that somebody else put there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from iris_core.ledger import Ledger
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.settled import Settled
from tests.memory import MemoryStore
from tests.records import like

pytestmark = pytest.mark.unit

HOUR = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("name", ["x", ".DS_Store", "2026-11-01/x", "2026-11-01/13~", "2026-11-02/"])
def test_what_else_lies_there_is_no_mark(name: str) -> None:
    store = MemoryStore()
    marks = Settled(store, "a-bucket", "ledger/dev/settled/alerts-a")
    marks.advance(HOUR)
    store.keep(f"ledger/dev/settled/alerts-a/{name}", b"")
    assert marks.until(HOUR) == HOUR


@pytest.mark.parametrize(
    "name", ["x", "training/2026-11-01/x", "training/yesterday/s/v", "other/2026-11-01/s/v"]
)
def test_what_else_lies_there_is_no_training(name: str) -> None:
    store = MemoryStore()
    ledger, training = Ledger(store, "a-bucket", "dev"), like(TrainedRecord)
    ledger.commit(training)
    ledger.note_version(3, training.identity)
    store.keep(f"ledger/dev/versions/3/{name}", b"")
    found = [ledger.find(TrainedRecord, path) for path in ledger.trainings_of(3)]
    assert [record for record in found if record] == [training]
