"""A look at what events name decides as a look at everything does, and costs the same whatever was before.

The same random history happens twice, on two buckets with a ledger each. In one of them every run looks at
everything. In the other a run looks at what its events name.
"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Self

import pytest

from iris_core.errors import ObjectMissing
from iris_core.ledger import Actor, Identity, Kind, Ledger, ModelRef
from iris_core.ledger.look import EVERYTHING, Look
from iris_core.ledger.owed import Pending, unaccounted
from iris_core.ledger.reconcile import Rescore, Scope, reconcile, supersede_older
from iris_core.ledger.records import base, parse
from iris_core.ledger.records.objects import FailedRecord, ObjectRecord, RejectedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.source import Source
from iris_core.ledger.tries import reopen
from iris_core.ledger.workspace import Workspace
from iris_core.settings.variables import load_settings
from tests.memory import MemoryStore
from tests.records import like

BUCKET = "a-bucket"
SETTINGS = load_settings({"TEAM_S3_BUCKET": BUCKET})
BEGIN = datetime(2026, 11, 1, 23, 50, tzinfo=UTC)
CONTENTS = "aabbxf"
"""Contents of uploads: `x` is rejected, `f` fails."""
BAD: dict[str, type[ObjectRecord]] = {"x": RejectedRecord, "f": FailedRecord}
KINDS: dict[Kind, type[ObjectRecord]] = {"training": TrainedRecord, "scoring": ScoredRecord}
PLACES: dict[str, tuple[str, ...]] = {
    "iris/data.csv": ("iris/data.csv",),
    "iris/in/": ("iris/in/a.csv", "iris/in/b.csv", "iris/in/b.csv.gz"),
}


PARSED = lru_cache(100_000)(parse)


class Clock(datetime):
    """The time of the history, for records that are made in it: no two of them at the same time."""

    moment = BEGIN

    @classmethod
    def now(cls, tz: Any = None) -> Self:
        cls.moment += timedelta(microseconds=1)
        return cls.fromtimestamp(cls.moment.timestamp(), UTC)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock.moment = BEGIN
    monkeypatch.setattr(base, "datetime", Clock)
    monkeypatch.setattr("iris_core.ledger.journal.datetime", Clock)
    monkeypatch.setattr("tests.records.datetime", Clock)
    monkeypatch.setattr("iris_core.ledger.ledger.parse", PARSED)


def using(kind: Kind, number: int) -> Any:
    """A configuration or model with this number."""
    made = like(KINDS[kind]).inputs
    if kind == "training":
        return made.config.model_copy(update={"variant": f"c{number}"})  # type: ignore[attr-defined]
    return ModelRef(name="a-model", version=number, run_id="r" * 32)


@dataclass
class World:
    """A bucket and its ledger, as runs leave them."""

    kind: Kind
    source: Source
    again: Rescore
    versioned: bool
    is_targeted: bool
    model: int = 1
    store: MemoryStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.versioned)

    @property
    def workspace(self) -> Workspace:
        return Workspace(SETTINGS, self.store, Ledger(self.store, BUCKET, "dev"), Actor())

    @property
    def scope(self) -> Scope:
        return Scope(self.kind, self.source, using(self.kind, self.model))

    def sweep(self) -> set[str]:
        """What a watcher's sweep announces."""
        workspace = self.workspace
        return {
            version.uri for version in unaccounted(workspace.store, workspace.ledger, self.kind, self.source)
        }

    def run(self, named: set[str], is_model_new: bool = False) -> list[Pending]:
        """A run that events started: looks, and decides about what is owed."""
        owed = self.look(named, is_model_new)
        self.work(owed)
        return owed

    def look(self, named: set[str], is_model_new: bool = False) -> list[Pending]:
        look = Look(frozenset(named), is_model_new) if self.is_targeted else EVERYTHING
        return reconcile(self.workspace, self.scope, self.again, look).owed

    def run_by_the_clock(self) -> None:
        self.work(reconcile(self.workspace, self.scope, self.again).owed)

    def work(self, owed: list[Pending]) -> None:
        for one in owed:
            self.decide(one)

    def decide(self, one: Pending) -> None:
        workspace, made = self.workspace, KINDS[self.kind]
        what = BAD.get(one.object.etag, made)
        inputs: dict[str, Any] = {"object": one.object}
        if self.kind == "scoring":
            inputs["model"] = self.scope.using
        record = like(what, identity=one.identity, by=workspace.actor, inputs=inputs)
        if workspace.ledger.commit(record).won and what is made:
            supersede_older(workspace, self.scope, one.object)

    def decisions(self) -> set[tuple[str, str, str | None]]:
        found = self.workspace.ledger.recent(self.kind)
        return {(record.identity.path, record.outcome, record.points_to) for record in found}


@dataclass
class History:
    """The same history on two worlds: `everything` and `named`.

    What a deletion or a rejection brings back has no event: a sweep or a look at everything finds it. Here
    the next look names the key, and looks for the newest object again as after a staging.
    """

    seed: int
    kind: Kind
    place: str
    versioned: bool
    again: Rescore = "newest"
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(repr((self.seed, self.kind, self.place, self.versioned, self.again)))
        source = Source(BUCKET, self.place)
        self.everything, self.named = (
            World(self.kind, source, self.again, self.versioned, is_targeted) for is_targeted in (False, True)
        )
        self.landed: set[str] = set()
        """Addresses that the next look's events name: of what landed, or is back from a deletion."""
        self.is_model_new = False

    @property
    def worlds(self) -> tuple[World, World]:
        return self.everything, self.named

    def happen(self) -> None:
        """Something happens to the bucket, to the model, or by hand."""
        Clock.moment += timedelta(seconds=self.dice.choice((0, 0, 1, 15, 4000)))
        what = self.dice.choices(
            (self.put, self.delete, self.restore, self.erase, self.stage, self.retry), (8, 1, 1, 1, 1, 1)
        )[0]
        what()

    def put(self) -> None:
        key, content = self.dice.choice(PLACES[self.place]), self.dice.choice(CONTENTS)
        if not self.versioned:
            Clock.moment += timedelta(seconds=1)
        moment = Clock.moment.replace(microsecond=0)
        self.told.append(f"put {content} as {key}")
        for world in self.worlds:
            self.landed.add(world.store.land(BUCKET, key, content, moment).uri)

    def delete(self) -> None:
        key = self.dice.choice(PLACES[self.place])
        self.told.append(f"delete {key}")
        self.is_model_new = True
        for world in self.worlds:
            world.store.hide(key)

    def restore(self) -> None:
        key = self.dice.choice(PLACES[self.place])
        self.told.append(f"restore {key}")
        self.is_model_new = True
        for world in self.worlds:
            world.store.hidden.discard(key)
        self.landed.add(f"s3://{BUCKET}/{key}")

    def erase(self) -> None:
        """The newest version is deleted for good: the one before it is back."""
        key = self.dice.choice(PLACES[self.place])
        self.told.append(f"erase {key}")
        self.is_model_new = True
        for world in self.worlds:
            if len(world.store.landed.get(key, ())) > 1:
                del world.store.landed[key][0]
        self.landed.add(f"s3://{BUCKET}/{key}")

    def stage(self) -> None:
        number = self.dice.randint(1, 3)
        self.told.append(f"stage {number}")
        for world in self.worlds:
            world.model = number
        self.is_model_new = True

    def retry(self) -> None:
        failed = self.everything.workspace.ledger.recent(self.kind, outcome="failed")
        if uris := sorted({record.about.uri for record in failed if record.about}):
            uri = self.dice.choice(uris)
            self.told.append(f"retry {uri}")
            for world in self.worlds:
                with suppress(ObjectMissing):
                    reopen(world.workspace, uri, "mended")

    def look(self) -> None:
        """A run in each world sees all events: what landed, a staged model, and what a sweep finds."""
        self.told.append("look")
        events, self.landed = self.landed, set()
        is_model_new, self.is_model_new = self.is_model_new, False
        for world in self.worlds:
            for one in world.run(events | world.sweep(), is_model_new):
                if one.object.etag in BAD:
                    self.landed.add(one.object.uri)
                    self.is_model_new = True

    def compare(self) -> None:
        assert self.named.decisions() == self.everything.decisions(), "\n".join(self.told)


def histories(few: int, many: int) -> list[Any]:
    """Kinds, places and buckets, each with a few histories, and in the slow tier with many."""
    return [
        pytest.param(
            kind,
            place,
            versioned,
            count,
            id=f"{kind}-{place}-{'versioned' if versioned else 'unversioned'}-{count}",
            marks=[pytest.mark.slow] if count == many else [],
        )
        for kind in KINDS
        for place in PLACES
        for versioned in (True, False)
        for count in (few, many)
    ]


@pytest.mark.parametrize(("kind", "place", "versioned", "count"), histories(2, 30))
@pytest.mark.parametrize("again", ["newest", "all", "none"])
def test_all_events_seen(kind: Kind, place: str, versioned: bool, count: int, again: Rescore) -> None:
    for seed in range(count):
        history = History(seed, kind, place, versioned, again)
        for _ in range(12):
            for _ in range(history.dice.randint(1, 4)):
                history.happen()
            history.look()
            history.compare()


@pytest.mark.parametrize(("kind", "place", "versioned", "count"), histories(3, 30))
@pytest.mark.parametrize("is_staged", [False, True])
def test_one_look_at_everything_makes_good_what_no_event_named(
    kind: Kind, place: str, versioned: bool, count: int, is_staged: bool
) -> None:
    """A model is staged before or after what is lost: its run scores the newest object that it knows."""
    for seed in range(count):
        history = History(seed, kind, place, versioned)
        for _ in range(3):
            history.happen()
            history.look()
        for _ in range(history.dice.randint(1, 6)):
            history.put()
        if is_staged:
            history.stage()
        heard = {uri for uri in sorted(history.landed) if history.dice.random() < 0.5}
        history.told.append(f"look at {heard} of {history.landed}")
        history.everything.run(history.landed, is_staged)
        history.named.run(heard)
        for _ in range(4):
            for world in history.worlds:
                world.run_by_the_clock()
        history.compare()
        assert not history.named.sweep()


@pytest.mark.parametrize(("kind", "place", "versioned", "count"), histories(3, 30))
def test_runs_side_by_side_lose_nothing_between_them(
    kind: Kind, place: str, versioned: bool, count: int
) -> None:
    for seed in range(count):
        history = History(seed, kind, place, versioned)
        world, dice = history.named, history.dice
        waiting: list[set[str]] = []
        under_way: list[list[Pending]] = []
        for _ in range(30):
            what = dice.choice(("land", "look", "decide"))
            if what == "land":
                Clock.moment += timedelta(seconds=1)
                key = dice.choice(PLACES[place])
                waiting.append({world.store.land(BUCKET, key, dice.choice("ab"), Clock.moment).uri})
            elif what == "look" and waiting:
                under_way.append(world.look(waiting.pop(dice.randrange(len(waiting)))))
            elif what == "decide" and under_way:
                world.work(under_way.pop(dice.randrange(len(under_way))))
        for named in waiting:
            world.run(named)
        for owed in under_way:
            world.work(owed)
        current = [versions[0].digest for versions in world.store.landed.values()]
        assert set(current) <= {record.subject for record in world.workspace.ledger.recent(kind)}
        # After A, B, A the second A was unchanged, if B was decided only then: a sweep finds that it is owed.
        world.run(world.sweep())
        assert not world.sweep()


class TestCost:
    """Requests to the store for one look that events started."""

    @staticmethod
    def after(decided: int, kind: Kind, versioned: bool) -> World:
        """A bucket with so many decided objects; one lands every ten minutes."""
        world = World(kind, Source(BUCKET, "iris/in/"), "newest", versioned, is_targeted=True)
        for number in range(decided):
            Clock.moment += timedelta(seconds=580)
            version = world.store.land(BUCKET, f"iris/in/{number}.csv", "a", Clock.moment)
            Clock.moment += timedelta(seconds=20)
            world.decide(Pending(version, Identity.of_object(kind, version, world.scope.using.variant)))
        return world

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(
        ("versioned", "few"),
        [
            pytest.param(True, 10, id="versioned"),
            pytest.param(False, 280, id="unversioned", marks=pytest.mark.slow),
        ],
    )
    def test_is_the_same_after_a_thousand(self, kind: Kind, versioned: bool, few: int) -> None:
        """Without versions, the last decision about a key is looked for among the newest 200 of some days."""
        assert self.costs(few, kind, versioned) == self.costs(1000, kind, versioned)

    def costs(self, decided: int, kind: Kind, versioned: bool) -> dict[str, dict[str, int]]:
        world = self.after(decided, kind, versioned)
        found: dict[str, dict[str, int]] = {}

        def run(what: str, named: set[str], owed: int, is_model_new: bool = False) -> None:
            world.store.requests.clear()
            assert len(world.run(named, is_model_new)) == owed, what
            found[what] = dict(world.store.requests)
            Clock.moment += timedelta(minutes=10)

        def land(key: str, content: str) -> set[str]:
            Clock.moment += timedelta(seconds=1)
            return {world.store.land(BUCKET, key, content, Clock.moment).uri}

        new = land("iris/in/new.csv", "b")
        run("a new object", new, 1)
        run("the same event again", new, 0)
        run("other content under its key", land("iris/in/new.csv", "a"), 1)
        run("the same content again", land("iris/in/new.csv", "a"), 0)
        run("three objects", {uri for name in "xyz" for uri in land(f"iris/in/{name}.csv", "a")}, 3)
        world.model += 1
        run("a staged model", set(), 1, is_model_new=True)
        run("an old event under a new model", {f"s3://{BUCKET}/iris/in/3.csv"}, 0)
        return found
