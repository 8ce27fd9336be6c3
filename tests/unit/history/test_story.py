"""A version's story says what it rests on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from iris_core.history.queries import MOST_READ, story
from iris_core.history.story import paragraph
from iris_core.ledger import Identity
from iris_core.ledger.identity import Variant
from iris_core.ledger.records.promotion import RollbackRecord
from iris_core.ledger.records.scoring import ScoredRecord
from tests.long_past import in_memory, keep, lives
from tests.memory import MemoryStore
from tests.records import like

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        (1, "one table (1 row)"),
        (MOST_READ - 1, f"{MOST_READ - 1} tables ({MOST_READ - 1} rows)"),
        (MOST_READ + 1, f"at least {MOST_READ} tables (at least {MOST_READ} rows)"),
    ],
)
def test_it_counts_what_was_scored_or_says_that_there_may_be_more(tables: int, told: str) -> None:
    """Only the newest scorings are read."""
    workspace = in_memory(MemoryStore())
    [(_, (training, gate, _))] = lives(1, datetime.now(UTC))
    for record in (training, gate):
        keep(workspace, record)
    for number in range(tables):
        at = gate.at + timedelta(seconds=number + 1)
        identity = Identity("scoring", at.date(), f"{number:032x}", Variant(gate.model.variant))
        inputs = {"model": gate.model, "object": training.about}
        evidence = {"rows": 1, "accuracy": None}
        keep(workspace, like(ScoredRecord, identity=identity, at=at, inputs=inputs, evidence=evidence))
    assert f"It has scored {told}, last s3://" in paragraph(story(workspace.ledger, 1))


def test_a_rollback_on_the_day_of_the_training_is_told_once() -> None:
    workspace = in_memory(MemoryStore())
    [(version, (training, gate, _))] = lives(1, datetime.now(UTC))
    back = like(
        RollbackRecord,
        identity=Identity.of_rollback(gate.model.run_id, training.at + timedelta(seconds=30)),
        at=training.at + timedelta(seconds=30),
        inputs={"model": "m", "version": version, "run_id": gate.model.run_id},
    )
    for record in (training, gate, back):
        keep(workspace, record)
    workspace.ledger.note_version(version, training.identity)
    assert [one.outcome for one in story(workspace.ledger, version).promotions] == ["promoted", "rolled back"]
