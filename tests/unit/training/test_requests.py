"""Which training a drift request owes, and which one answers it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from iris_core.ledger import Identity
from iris_core.ledger.records.action import RetrainRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.source import Source
from iris_core.store.versions import ObjectVersion
from iris_core.training.requests import owed_retraining
from tests.records import like
from tests.unit.ledger.test_looks import BUCKET, World

pytestmark = pytest.mark.unit

KEY = "iris/data.csv"


@pytest.fixture
def world() -> World:
    """Data that was trained on once."""
    made = World("training", Source(BUCKET, KEY), "newest", True, is_targeted=False)
    made.store.land(BUCKET, KEY, "a", datetime.now(UTC) - timedelta(hours=1))
    made.run_by_the_clock()
    return made


@pytest.fixture
def requested(world: World) -> RetrainRecord:
    record = like(RetrainRecord, outcome="requested", inputs={"object": data(world)})
    world.workspace.ledger.commit(record)
    return record


def data(world: World) -> ObjectVersion:
    return world.store.landed[KEY][0]


def train(world: World, identity: Identity) -> None:
    world.workspace.ledger.commit(like(TrainedRecord, identity=identity, inputs={"object": data(world)}))


def test_it_is_owed_until_it_is_done(world: World, requested: RetrainRecord) -> None:
    owed = owed_retraining(world.workspace, world.scope)
    assert owed is not None
    assert owed.identity == Identity.of_requested(requested.identity, data(world), "c1")
    train(world, owed.identity)
    assert owed_retraining(world.workspace, world.scope) is None


def test_what_is_done_is_not_owed_again_with_another_configuration(
    world: World, requested: RetrainRecord
) -> None:
    train(world, Identity.of_requested(requested.identity, data(world), "c1"))
    world.model = 2
    assert owed_retraining(world.workspace, world.scope) is None


def test_another_configuration_trains_once_on_data_that_a_request_waits_for(
    world: World, requested: RetrainRecord
) -> None:
    world.model = 2
    assert owed_retraining(world.workspace, world.scope)
    world.run_by_the_clock()
    assert owed_retraining(world.workspace, world.scope) is None


def test_newer_data_takes_its_place(world: World, requested: RetrainRecord) -> None:
    world.store.land(BUCKET, KEY, "b", datetime.now(UTC))
    assert owed_retraining(world.workspace, world.scope) is None


def test_the_same_content_again_does_not(world: World, requested: RetrainRecord) -> None:
    world.store.land(BUCKET, KEY, "a", datetime.now(UTC))
    world.run_by_the_clock()
    assert next(world.workspace.ledger.recent("training")).outcome == "unchanged"
    owed = owed_retraining(world.workspace, world.scope)
    assert owed is not None
    assert owed.object == requested.about


def test_content_that_is_back_after_other_content_does(world: World, requested: RetrainRecord) -> None:
    for content in "ba":
        world.store.land(BUCKET, KEY, content, datetime.now(UTC))
        world.run_by_the_clock()
    assert owed_retraining(world.workspace, world.scope) is None
