"""A version that was refused once: with an earlier configuration or model, or again after a retry."""

from __future__ import annotations

from datetime import timedelta

import pytest

from iris_core.ledger import Kind
from iris_core.ledger.reconcile import Rescore
from iris_core.ledger.records.objects import UnchangedRecord
from iris_core.ledger.source import Source
from iris_core.ledger.tries import reopen
from tests.records import expect, like
from tests.unit.ledger import test_looks
from tests.unit.ledger.test_looks import BAD, BUCKET, KINDS, Clock, World

pytestmark = pytest.mark.unit

clock = test_looks.clock
"""Records are made at the time of the history."""
KEY = "iris/in/a.csv"


def land(world: World, content: str) -> str:
    Clock.moment += timedelta(seconds=30)
    return world.store.land(BUCKET, KEY, content, Clock.moment).uri


def finish(world: World, is_model_new: bool = False, runs: int = 6) -> list[tuple[str, str]]:
    """Work off the newest that is owed, run by run; content and outcome of each decision, oldest first."""
    named = {f"s3://{BUCKET}/{KEY}"}
    for _ in range(runs):
        world.work(world.look(named | world.sweep(), is_model_new)[-1:])
    assert world.look(named, is_model_new) == []
    found = [record for record in world.workspace.ledger.recent(world.kind) if record.about]
    made = [(record.about.etag, str(record.outcome)) for record in found if record.about]
    return made[::-1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_targeted", [False, True])
@pytest.mark.parametrize("again", ["newest", "all"])
def test_what_a_new_model_takes_counts_and_not_the_version_before_it(
    kind: Kind, is_targeted: bool, again: Rescore, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(kind, Source(BUCKET, "iris/in/"), again, True, is_targeted)
    with monkeypatch.context() as patch:
        patch.setitem(BAD, "b", BAD["x"])
        for content in "ab":
            land(world, content)
            finish(world)
    world.model = 2
    made = str(next(world.workspace.ledger.recent(kind)).outcome)
    assert made == "rejected"
    took = finish(world, is_model_new=True)[2:]
    assert [content for content, _ in took] == ["b"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_targeted", [False, True])
@pytest.mark.parametrize("again", ["newest", "all"])
def test_what_fails_after_a_retry_keeps_no_sound_version_from_a_new_model(
    kind: Kind, is_targeted: bool, again: Rescore
) -> None:
    world = World(kind, Source(BUCKET, "iris/in/"), again, True, is_targeted)
    land(world, "a")
    finish(world)
    failing = land(world, "f")
    finish(world)
    reopen(world.workspace, failing, "mended")
    finish(world)
    world.model = 2
    finish(world, is_model_new=True)
    variant = world.scope.using.variant
    found = [record for record in world.workspace.ledger.recent(kind) if record.variant.base == variant]
    assert {record.about.etag for record in found if record.about} == {"f", "a"}


@pytest.mark.parametrize("outcome", ["x", "f"])
@pytest.mark.parametrize("is_targeted", [False, True])
def test_a_version_that_was_trained_on_stays_so_where_a_requested_training_fails(
    outcome: str, is_targeted: bool
) -> None:
    world = World("training", Source(BUCKET, "iris/in/"), "newest", True, is_targeted)
    land(world, "a")
    land(world, "b")
    assert finish(world) == [("b", "trained"), ("a", "superseded")]
    trained = next(world.workspace.ledger.recent("training", outcome="trained"))
    requested = trained.identity.again("retrain-1")
    failed = like(BAD[outcome], identity=requested, inputs={"object": trained.about})
    world.workspace.ledger.commit(failed)
    assert finish(world)[2:] == [("b", failed.outcome)]
    land(world, "b")
    assert finish(world)[3:] == [("b", "unchanged")]
    unchanged = expect(UnchangedRecord, next(world.workspace.ledger.recent("training")))
    assert unchanged.points_to == trained.identity.path
