"""A look at scorings without a drift record goes back to a mark, and finds what a whole look finds."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from iris_core.ledger import Actor, Identity, Ledger, Record, Variant
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.objects import FailedRecord, ReopenedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import reported as module
from iris_core.monitoring.reported import settle_reported, unreported
from tests.memory import MemoryStore
from tests.records import like
from tests.unit.ledger.test_looks import BUCKET, SETTINGS, Clock, clock

pytestmark = pytest.mark.unit

__all__ = ["clock"]
MARKS = "ledger/dev/settled/reports/"


@pytest.fixture(autouse=True)
def timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "datetime", Clock)


@pytest.fixture
def world() -> Workspace:
    store = MemoryStore()
    return Workspace(SETTINGS, store, Ledger(store, BUCKET, "dev"), Actor())


def score(world: Workspace, number: int) -> ScoredRecord:
    identity = Identity("scoring", Clock.now().date(), f"{number:032x}", Variant("v1-abc"))
    record = like(ScoredRecord, identity=identity)
    assert world.ledger.commit(record).won
    return record


def decide(world: Workspace, scored: ScoredRecord, what: type[Record], times: int = 0) -> None:
    drift = Identity.of_drift(scored.identity, scored.at)
    record = like(what, identity=drift.again(times) if times else drift)
    assert world.ledger.commit(record).won


def in_any_case(world: Workspace) -> list[str]:
    return [entry.identity.path for entry in module.unreported_since(world.ledger, None)]


@pytest.mark.parametrize("seed", range(8))
def test_a_mark_hides_nothing(world: Workspace, seed: int) -> None:
    dice = random.Random(seed)
    open_: dict[str, tuple[ScoredRecord, int]] = {}
    failed: list[tuple[ScoredRecord, int]] = []
    for number in range(45):
        Clock.moment += timedelta(hours=dice.choice((0.01, 0.01, 1, 9, 80)))
        what = dice.choice(("score", "score", "report", "fail", "retry", "look"))
        if what == "score":
            scored = score(world, number)
            open_[scored.identity.path] = scored, 0
        elif what in ("report", "fail") and open_:
            scored, times = open_.pop(dice.choice(sorted(open_)))
            decide(world, scored, BatchDriftRecord if what == "report" else FailedRecord, times)
            failed += [(scored, times)] if what == "fail" and not times else []
        elif what == "retry" and failed:
            scored, times = failed.pop()
            decide(world, scored, ReopenedRecord, times + 1)
            open_[scored.identity.path] = scored, times + 2
        elif what == "look":
            settle_reported(world)
        found = unreported(world)
        assert found == in_any_case(world)
        assert sorted(found) == sorted(open_)


def test_a_look_goes_no_further_back_than_the_mark(world: Workspace) -> None:
    for number in range(40):
        decide(world, score(world, number), BatchDriftRecord)
        Clock.moment += timedelta(days=1)
    store = world.store
    assert isinstance(store, MemoryStore)
    assert settle_reported(world) == []
    assert [key for key in store.files if key.startswith(MARKS)] == [f"{MARKS}{Clock.now():%Y-%m-%d/%H}"]
    before = store.requests.copy()
    assert unreported(world) == []
    with_mark = (store.requests - before).total()
    before = store.requests.copy()
    assert in_any_case(world) == []
    assert with_mark < (store.requests - before).total() / 2


def test_the_mark_stays_before_what_is_owed(world: Workspace) -> None:
    score(world, 1)
    waiting = Clock.now()
    Clock.moment += timedelta(days=9)
    decide(world, score(world, 2), BatchDriftRecord)
    for _ in range(2):
        assert len(settle_reported(world)) == 1
    assert isinstance(world.store, MemoryStore)
    assert [key for key in world.store.files if key.startswith(MARKS)] == [f"{MARKS}{waiting:%Y-%m-%d/%H}"]
