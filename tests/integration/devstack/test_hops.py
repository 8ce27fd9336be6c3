"""Looking for hops: in a real ledger, with an Airflow that is not there."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import pytest

from devstack.hops import HopMissing, Sight, is_about
from iris_core.doctor.airflow_api import AirflowApi
from iris_core.errors import StackError
from iris_core.ledger import Identity, Record
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.store.objects import ObjectVersion
from tests.records import like

pytestmark = pytest.mark.integration

NOWHERE = AirflowApi("http://127.0.0.1:9")


def land(workspace: Workspace, data: bytes) -> ObjectVersion:
    settings = workspace.settings
    return workspace.store.put(settings.bucket, settings.train_key, data, "text/csv")


def decide(workspace: Workspace, version: ObjectVersion) -> Record:
    identity = Identity.of_object("training", version, "v")
    record = like(TrainedRecord, identity=identity, inputs={"object": version})
    return workspace.ledger.commit(record).record


def about(version: ObjectVersion) -> Callable[[Record], Record | None]:
    return lambda record: record if is_about(record, version) else None


def test_a_decision_about_this_very_upload_is_found(workspace: Workspace) -> None:
    since = datetime.now(UTC) - timedelta(seconds=5)
    mine, other = land(workspace, b"mine"), land(workspace, b"other")
    found = decide(workspace, mine)
    decide(workspace, other)
    sight = Sight(workspace.ledger, NOWHERE, 5)
    looked = sight.wait_for("trained", "dag", since, lambda: sight.decided("training", since, about(mine)))
    assert looked.identity == found.identity
    later = datetime.now(UTC) + timedelta(seconds=5)
    assert sight.decided("training", later, about(mine)) is None


def test_what_does_not_come_is_named_with_what_is_known(workspace: Workspace) -> None:
    sight = Sight(workspace.ledger, NOWHERE, 0.5)
    since = datetime.now(UTC)
    with pytest.raises(
        HopMissing, match=r"trained: did not arrive within 0 s\. Airflow does not answer"
    ) as error:
        sight.wait_for("trained", "dag", since, lambda: sight.decided("training", since, lambda it: it))
    assert error.value.hop == "trained"


def test_a_stack_that_is_gone_ends_the_wait(workspace: Workspace) -> None:
    def gone(*_: object) -> NoReturn:
        raise StackError("it was taken down")

    began = time.monotonic()
    with pytest.raises(StackError, match="it was taken down"):
        Sight(workspace.ledger, NOWHERE, 120, gone).wait_for(
            "trained", "dag", datetime.now(UTC), lambda: None
        )
    assert time.monotonic() - began < 5


def test_an_airflow_that_is_not_there() -> None:
    with pytest.raises(StackError, match="does not answer /auth/token"):
        NOWHERE.dag_ids()
