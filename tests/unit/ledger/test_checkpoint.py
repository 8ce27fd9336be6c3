"""Whatever becomes of a checkpoint, looks decide the same: it saves listings, and decides nothing.

A random history happens twice. In one world a look never has a checkpoint. In the other one each look finds
one that is fresh, stale, missing, damaged, of another ledger, or is replaced by others while it is made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from iris_core.errors import StoreError
from iris_core.ledger import Kind
from iris_core.ledger import checkpoint as checkpoints
from iris_core.ledger.checkpointed import Checkpointed
from iris_core.ledger.identity import Identity, Variant
from iris_core.ledger.owed import Pending
from iris_core.ledger.packed import Packed, Standing
from iris_core.ledger.reconcile import Rescore
from iris_core.ledger.recorded import Subjects
from iris_core.ledger.source import Source
from iris_core.store.versions import ObjectVersion
from tests.memory import MemoryStore
from tests.unit.ledger.test_looks import BUCKET, PLACES, Clock, History, World, clock

pytestmark = pytest.mark.unit

__all__ = ["clock"]
NEVER = 10**9


class Replacing(MemoryStore):
    """A store in which another look stores its checkpoint first, if `is_late`."""

    is_late = False

    def replace(self, bucket: str, key: str, data: bytes | bytearray, content_type: str, etag: str) -> bool:
        if self.is_late:
            self.files[key] = self.files.get(key, b"") + b" "
        return super().replace(bucket, key, data, content_type, etag)


def is_sound(body: bytes) -> bool:
    try:
        return bool(Packed.parse(bytearray(body)))
    except ValueError:
        return False


@dataclass
class Checked(World):
    """A world whose looks find what has become of a checkpoint."""

    history: Any = None
    kept: list[bytes] = field(default_factory=list)
    befell: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.store = Replacing(self.versioned)

    @property
    def key(self) -> str:
        return f"checkpoints/dev/{self.kind}"

    def sweep(self) -> set[str]:
        self._befall()
        return super().sweep()

    def run(self, named: set[str], is_model_new: bool = False) -> list[Pending]:
        self._befall()
        return super().run(named, is_model_new)

    def _befall(self) -> None:
        dice = self.history.dice
        body = self.store.files.get(self.key)
        if body and is_sound(body):
            self.kept.append(body)
        checkpoints.WORTH = dice.choice((0, 0, 5, 50))
        assert isinstance(self.store, Replacing)
        what: Callable[[], None] = dice.choice(
            (self.nothing, self.stale, self.stale, self.missing, self.damaged, self.foreign, self.doubled)
        )
        self.store.is_late = False
        if self.kept and body:
            self.befell[what.__name__] += 1
            what()

    def check(self) -> None:
        self._befall()
        ledger = self.workspace.ledger
        packed, records = Checkpointed(ledger, self.kind), Subjects(ledger, self.kind)
        for version in (version for versions in self.store.landed.values() for version in versions):
            assert sorted(packed.variants(version)) == sorted(records.variants(version))
            assert {*packed.outcomes(version)} == {*records.outcomes(version)}

    def nothing(self) -> None:
        pass

    def stale(self) -> None:
        self.store.files[self.key] = self.history.dice.choice(self.kept)

    def missing(self) -> None:
        del self.store.files[self.key]

    def damaged(self) -> None:
        body = bytearray(self.store.files[self.key])
        body[self.history.dice.randrange(len(body))] ^= 1
        self.store.files[self.key] = bytes(body)

    def foreign(self) -> None:
        """In another ledger all versions are decided."""
        packed, about = Packed.parse(bytearray(self.kept[-1]))
        landed = [version for versions in self.store.landed.values() for version in versions]
        decided = Standing((Variant(self.scope.using.variant),), frozenset())
        for day in {version.landed_at.date() for version in landed}:
            subjects = sorted(version.digest for version in landed if version.landed_at.date() == day)
            packed.put(day.isoformat(), ((subject, decided) for subject in subjects))
        self.store.files[self.key] = bytes(packed.dump({**about, "of": "s3://b/ledger/prod/training"}))

    def doubled(self) -> None:
        assert isinstance(self.store, Replacing)
        self.store.is_late = True


@dataclass
class Twice(History):
    """The same history without and with checkpoints."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.everything.is_targeted = False
        self.named = Checked(self.kind, self.named.source, self.again, self.versioned, False, history=self)

    def retry(self) -> None:
        super().retry()
        # What is opened again in an old checkpoint is the hard case.
        self.look()

    def look(self) -> None:
        """A run in each world, and a sweep after it: both find the same in both worlds.

        And a checkpoint, whatever became of it, says what the records say.
        """
        self.told.append("look")
        found = []
        for world in self.worlds:
            owed = sorted(one.identity.path for one in world.run(set()))
            found.append((owed, world.sweep()))
            checkpoints.WORTH = NEVER
        assert found[0] == found[1], self.told
        assert isinstance(self.named, Checked)
        self.named.check()
        checkpoints.WORTH = NEVER


@pytest.fixture(autouse=True)
def sharp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints are made for few decisions, reach to this moment, and grow old within hours."""
    monkeypatch.setattr(checkpoints, "WORTH", NEVER)
    monkeypatch.setattr(checkpoints, "SLACK", timedelta(0))
    monkeypatch.setattr(checkpoints, "LONGEST", timedelta(hours=12))
    monkeypatch.setattr("iris_core.ledger.checkpointed.datetime", Clock)
    monkeypatch.setattr("iris_core.ledger.checkpointed.PAGE_WORTH", 2)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("versioned", [True, False])
@pytest.mark.parametrize("again", ["newest", "all", "none"])
@pytest.mark.parametrize("kind", ["training", "scoring"])
def test_whatever_becomes_of_a_checkpoint(kind: Kind, again: Rescore, versioned: bool, place: str) -> None:
    befell: Counter[str] = Counter()
    for seed in range(8):
        history = Twice(seed, kind, place, versioned, again)
        for _ in range(8):
            for _ in range(history.dice.randint(1, 4)):
                history.happen()
            history.look()
            history.compare()
        assert isinstance(history.named, Checked)
        befell += history.named.befell
    assert len(befell) == 6, befell


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Three decided versions, one of them superseded, in a checkpoint."""
    monkeypatch.setattr(checkpoints, "WORTH", 0)
    world = World("training", Source(BUCKET, "iris/in/"), "newest", True, False)
    for key, content in (("iris/in/a.csv", "a"), ("iris/in/b.csv", "b"), ("iris/in/b.csv", "c")):
        world.store.land(BUCKET, key, content, Clock.moment.replace(microsecond=0))
        Clock.moment += timedelta(seconds=1)
    assert len(world.run(set())) == 2
    assert not world.sweep()
    return world


def versions(world: World) -> list[ObjectVersion]:
    return [version for versions in world.store.landed.values() for version in versions]


def test_what_a_checkpoint_has_costs_no_request_each(world: World) -> None:
    world.sweep()
    before = world.store.requests.copy()
    assert not world.sweep()
    assert world.store.requests - before == {"head": 1, "get": 1, "list versions": 1, "list keys": 1}


@pytest.mark.parametrize("place", range(3))
def test_what_was_decided_last_is_compared_with_all_that_landed(world: World, place: int) -> None:
    """Only the newest of them is owed to another configuration, and only if nothing with it landed later."""
    Clock.moment += timedelta(days=1)
    keys = [f"iris/in/{name}.csv" for name in "cde"]
    late = [
        world.store.land(BUCKET, key, key, Clock.moment.replace(microsecond=0) + timedelta(seconds=number))
        for number, key in enumerate(keys[place:] + keys[:place])
    ]
    world.run(set())
    world.model = 2
    for number, version in enumerate(late):
        world.sweep()
        [owed] = world.look(set())
        assert owed.object == late[-1]
        if number == 0:
            world.decide(Pending(version, Identity.of_object("training", version, "c2")))
    world.decide(owed)
    world.sweep()
    assert not world.look(set())
    world.model = 1
    assert not world.look(set())


def test_a_record_with_a_time_that_is_long_past_is_found(world: World) -> None:
    """Its attempt was held up for longer than a checkpoint allows: the journal does not name it since."""
    [first, *_] = versions(world)
    world.sweep()
    Clock.moment -= timedelta(days=1)
    late = world.store.land(BUCKET, "iris/in/late.csv", "d", first.landed_at)
    one = Pending(late, Identity.of_object("training", late, "c1"))
    world.decide(one)
    Clock.moment += timedelta(days=1, hours=1)
    found = Checkpointed(world.workspace.ledger, "training")
    assert found.variants(late) == ("c1",)
    assert not found.outcomes(late)


def test_in_a_week_a_checkpoint_forgets_what_is_gone(world: World) -> None:
    [first, *_] = versions(world)
    [record] = [key for key in world.store.files if first.digest in key and "/journal/" not in key]
    del world.store.files[record]
    assert not world.sweep()
    Clock.moment += checkpoints.LONGEST + timedelta(minutes=1)
    assert world.sweep() == {first.uri}


def test_a_checkpoint_that_cannot_be_stored_is_no_trouble(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object) -> bool:
        raise StoreError("the store refused the credentials.")

    monkeypatch.setattr(world.store, "replace", refused)
    world.store.files.pop("checkpoints/dev/training")
    assert not world.sweep()
    assert "checkpoints/dev/training" not in world.store.files
    assert "full looks take longer" in caplog.text


def test_a_short_ledger_has_no_checkpoint(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "WORTH", 1000)
    world.store.files.pop("checkpoints/dev/training")
    assert not world.sweep()
    assert "checkpoints/dev/training" not in world.store.files
