"""What has no verdict in time is told once, without a triggerer, and even without a slot for any task."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from devstack.components import TRIGGERER
from devstack.home import Home
from devstack.stack import Stack
from iris_airflow.deadlines import TASK_ID
from iris_core.doctor.airflow_api import AirflowApi
from iris_core.ledger.records.action import AlertRecord, LateRecord
from tests.e2e.conftest import FINISHED, PATIENCE_S, Running
from tests.receiving import receiver

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1_200)]

WITHIN = timedelta(seconds=20)
MINUTE = timedelta(minutes=1)
Posted = list[bytes]


@pytest.fixture(scope="module")
def promising(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Posted]]:
    """A stack that promises a verdict, and what was posted to its webhook; its triggerer is stopped."""
    home = Home(Path(tmp_path_factory.mktemp("promising")))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("IRIS_PORT")}
    with receiver() as (url, got):
        variables = {"VERDICT_WITHIN": f"{WITHIN.seconds}s", "DRIFT_ALERT_WEBHOOK": url}
        stack = Stack(home, {**inherited, **variables})
        try:
            state = stack.up()
            airflow = AirflowApi(state.endpoints["airflow"], patience_s=PATIENCE_S)
            running = Running(stack, stack.workspace(), airflow)
            running.wait("the first runs by the clock", lambda: _all_wait(running) or None)
            stack.kill(TRIGGERER)
            yield running, got
        finally:
            stack.down()


def _all_wait(running: Running) -> bool:
    """Whether the first run of each DAG that decides is deferred, waiting for its data."""
    for dag_id in running.workspace.settings.names.dags:
        runs = running.airflow.get(f"/dags/{dag_id}/dagRuns", limit=50)["dag_runs"]
        states = [running.states(dag_id, run["dag_run_id"]) for run in runs]
        if not states or any("deferred" not in one.values() for one in states):
            return False
    return True


def test_a_lost_upload_is_told_once_within_the_promise_and_a_minute(
    promising: tuple[Running, Posted], train_csv: bytes
) -> None:
    running, got = promising
    ledger = running.workspace.ledger
    landed = running.train(train_csv)
    running.wait("the message", lambda: got or None)
    [late] = ledger.recent_of(LateRecord)
    due = datetime.fromisoformat(late.by.run_id.removeprefix("scheduled__"))
    assert landed.landed_at + WITHIN < late.at
    assert due <= landed.landed_at + WITHIN + MINUTE
    assert (late.about, late.evidence.missing) == (landed, "training")

    wait_for_looks(running, 2, due)
    assert [json.loads(body)["data"] for body in got] == [landed.uri]
    [told] = ledger.recent_of(AlertRecord)
    assert told.inputs.verdict == late.identity.path
    assert list(ledger.recent("training")) == []
    print(f"told {(told.at - landed.landed_at).total_seconds():.1f} s after it landed; promised: {WITHIN}")


@pytest.fixture
def no_slot(promising: tuple[Running, Posted]) -> Iterator[None]:
    """No task may start: the pool of all DAGs has no slot."""
    running, _ = promising
    airflow, pool = running.airflow, "/pools/default_pool"
    slots = airflow.get(pool)["slots"]
    airflow.patch(f"{pool}?update_mask=slots", {"slots": 0})
    try:
        running.wait("the end of the looks", lambda: None if airflow.get(pool)["running_slots"] else True)
        yield
    finally:
        airflow.patch(f"{pool}?update_mask=slots", {"slots": slots})


@pytest.mark.usefixtures("no_slot")
def test_a_run_that_cannot_start_a_task_misses_its_deadline_and_that_is_told_once(
    promising: tuple[Running, Posted], train_csv: bytes
) -> None:
    running, got = promising
    airflow, names = running.airflow, running.workspace.settings.names
    told_before = len(got)
    landed = running.train(train_csv + b"\n")
    asset_id = airflow.asset_id(names.asset("training_data"))
    airflow.post("/assets/events", {"asset_id": asset_id, "extra": {"objects": [landed.uri]}})
    running.wait("the message", lambda: got[told_before:] or None)
    late = next(record for record in running.workspace.ledger.recent_of(LateRecord))
    assert (late.about, late.by.dag_id, late.by.task_id) == (landed, names.training_dag, TASK_ID)
    assert late.at > landed.landed_at + WITHIN
    run = airflow.get(f"/dags/{names.training_dag}/dagRuns/{late.by.run_id}")
    assert run["run_type"] == "asset_triggered"
    assert datetime.fromisoformat(run["queued_at"]) + WITHIN < late.at
    assert running.states(names.training_dag, late.by.run_id)["reconcile"] is None
    print(f"told {(late.at - landed.landed_at).total_seconds():.1f} s after it landed; promised: {WITHIN}")


def test_after_that_nothing_is_told_again(promising: tuple[Running, Posted]) -> None:
    running, got = promising
    told = len(got)
    wait_for_looks(running, 1, datetime.now(UTC))
    assert len(got) == told


def wait_for_looks(running: Running, number: int, since: datetime) -> None:
    """Wait until so many looks have ended that were due after a time."""
    dag_id = running.workspace.settings.names.promise_dag

    def ended() -> bool | None:
        runs = running.airflow.get(f"/dags/{dag_id}/dagRuns", limit=50)["dag_runs"]
        due = [_due(run["dag_run_id"]) for run in runs if run["state"] in FINISHED]
        return sum(one > since for one in due) >= number or None

    running.wait(f"looks after {since}", ended)


def _due(run_id: str) -> datetime:
    kind, _, stamp = run_id.partition("__")
    return datetime.fromisoformat(stamp) if kind == "scheduled" else datetime.min.replace(tzinfo=UTC)
