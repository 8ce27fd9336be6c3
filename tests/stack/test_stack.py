"""docker-compose.yml with PostgreSQL, Redis and two Celery workers: demo, shards, health checks, limits."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import polars as pl
import pytest

from devstack import processes
from devstack.iris_tables import split_iris
from devstack.ports import is_free
from iris_core.cli.composed import ADMIN
from iris_core.doctor.airflow_api import AirflowApi, TaskInstance
from iris_core.doctor.registry import WITHOUT_LOGIN
from iris_core.errors import StackError
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.objects import ObjectRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.settings.variables import load_settings
from iris_core.store.objects import ObjectVersion
from iris_core.store.uploads import upload
from tests.chaos.audit import audit
from tests.records import expect
from tests.stack.conftest import Running
from tests.stack.native import ROOT, Replica

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_200)]

Found = TypeVar("Found")
ROWS = 480_000
"""About 12 MB: six shards, which have at least 2 MB whatever SHARD_MB says."""


def wait(what: str, look: Callable[[], Found | None], bound_s: float = 150.0) -> Found:
    until = time.monotonic() + bound_s
    while time.monotonic() < until:
        if (found := look()) is not None:
            return found
        time.sleep(0.5)
    pytest.fail(f"{what} did not come within {bound_s:.0f} s")


def workers(running: Running) -> list[Replica]:
    return [one for one in running.native.replicas.values() if one.service.name == "airflow-worker"]


def test_the_demo_plays_on_it_in_the_name_of_who_may_only_upload(running: Running, tmp_path: Path) -> None:
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        ["make", "compose-demo", f"ENV_FILE={running.env_file}", f"VENV={sys.prefix}"],
        cwd=ROOT,
        env={**environ, "IRIS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads((tmp_path / "demo.json").read_text(encoding="utf-8"))
    assert [act["name"] for act in seen["acts"]] == ["clean", "shifted"]
    assert seen["acts"][1]["severity"] == "high"
    hops = {hop["name"] for act in seen["acts"] for hop in act["hops"]}
    assert hops == {"landed", "run_started", "validated", "trained", "staged", "scored", "drift"}
    assert (tmp_path / "reports" / "drift_shifted.html").stat().st_size > 100_000
    staged = running.workspace.ledger.recent("promotion")
    assert next(staged).by.owner == "stack-test"
    assert {one.outcome for one in running.workspace.ledger.recent("training")} <= {"trained", "unchanged"}


@pytest.fixture(scope="module")
def sharded(running: Running) -> tuple[ObjectRecord, list[TaskInstance]]:
    """A table that is cut into shards, scored; its record, and the tasks that did it."""
    table = split_iris(running.workspace.settings.project.table, 7)[1].csv()
    head, *lines = table.splitlines(keepends=True)
    since = datetime.now(UTC)
    workspace, data = running.workspace, head + b"".join(lines) * (ROWS // len(lines))
    landed = upload(workspace.store, workspace.settings, data, "test", "big.csv")
    scored = wait("the scoring", lambda: _scoring(running, landed))
    tasks = running.airflow.tasks(scored.by.dag_id, since, ["success"])
    return scored, [task for task in tasks if task.dag_run_id == scored.by.run_id]


def _scoring(running: Running, landed: ObjectVersion) -> ObjectRecord | None:
    newest = (expect(ObjectRecord, one) for one in running.workspace.ledger.recent("scoring"))
    return next((one for one in newest if one.about.digest == landed.digest), None)


def test_a_large_table_is_scored_in_shards(
    running: Running, sharded: tuple[ObjectRecord, list[TaskInstance]]
) -> None:
    scored, tasks = expect(ScoredRecord, sharded[0]), sharded[1]
    assert scored.evidence.rows == ROWS
    assert scored.evidence.accuracy
    assert scored.evidence.accuracy > 0.7
    shards = [task for task in tasks if task.task_id == "score"]
    assert len(shards) >= 5
    predictions = scored.outputs.predictions
    frame = pl.read_csv(io.BytesIO(running.workspace.store.read(predictions)))
    assert frame.height == ROWS
    assert frame["source_row"].to_list() == list(range(2, ROWS + 2))


def test_both_workers_did_tasks(running: Running, sharded: tuple[ObjectRecord, list[TaskInstance]]) -> None:
    logs = {one.name: running.native.log(one.name).read_text(encoding="utf-8") for one in workers(running)}
    done = {name: len(re.findall(r"succeeded in \d", log)) for name, log in logs.items()}
    print("tasks done:", done)
    assert len(done) == 2
    assert all(done.values()), done


def test_what_forks_tasks_has_loaded_what_they_need(running: Running) -> None:
    """Read from the processes themselves: tasks are forks of their worker, so they inherit it."""
    loaded = {
        name: "polars" in Path(f"/proc/{one.process.pid}/maps").read_text(encoding="utf-8")
        for name, one in running.native.replicas.items()
        if name.startswith(("airflow-worker", "airflow-scheduler"))
    }
    assert loaded == {"airflow-worker-1": True, "airflow-worker-2": True, "airflow-scheduler": False}


def test_airflow_shows_the_log_of_a_task_whichever_worker_did_it(
    running: Running, sharded: tuple[ObjectRecord, list[TaskInstance]]
) -> None:
    for task in [task for task in sharded[1] if task.task_id == "score"]:
        lines = "\n".join(running.airflow.log_of(task))
        assert "Could not read" not in lines, lines
        assert re.search(r"scored|rows", lines), lines


def test_the_drift_of_it_is_judged_over_all_rows(
    running: Running, sharded: tuple[ObjectRecord, list[TaskInstance]]
) -> None:
    path = sharded[0].identity.path
    recent = running.workspace.ledger.recent_of
    drift = wait(
        "the drift", lambda: next((d for d in recent(BatchDriftRecord) if d.inputs.scoring == path), None)
    )
    assert drift.outcome in ("none", "low", "medium", "high")


def test_a_backfill_has_no_second_effect(
    running: Running, sharded: tuple[ObjectRecord, list[TaskInstance]]
) -> None:
    """Here and not on the local stack: Airflow does not support the making of backfills on SQLite."""
    quiet(running)
    before = [record.identity.path for record in running.workspace.ledger.recent()]
    dag_id = running.workspace.settings.names.training_dag
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"from_date": (today - timedelta(days=3)).isoformat(), "to_date": today.isoformat()}
    running.airflow.post("/backfills", {"dag_id": dag_id, **days})
    quiet(running)
    runs = running.airflow.get(f"/dags/{dag_id}/dagRuns", run_type="backfill", limit=10)["dag_runs"]
    assert [run["state"] for run in runs] == ["success"] * len(runs)
    assert len(runs) >= 3
    assert [record.identity.path for record in running.workspace.ledger.recent()] == before
    assert audit(running.workspace, {}).doubled == []


def quiet(running: Running) -> None:
    """Wait until no run is under way."""
    busy: dict[str, Any] = {"state": ["queued", "running"], "limit": 1}
    wait(
        "the end of all runs",
        lambda: running.airflow.get("/dags/~/dagRuns", **busy)["total_entries"] == 0 or None,
    )


def test_nobody_gets_into_airflow_without_the_password(running: Running) -> None:
    address = running.airflow.address
    assert httpx.get(f"{address}/api/v2/dags", trust_env=False).status_code == 401
    assert httpx.get(f"{address}/auth/token", trust_env=False).status_code in (401, 404, 405)
    with pytest.raises(StackError, match="401"):
        AirflowApi(address, (ADMIN, "admin")).dag_ids()


def test_a_second_init_changes_nothing(running: Running) -> None:
    for name in ("minio-init", "airflow-init"):
        running.native.run_once(name)
    assert running.airflow.dag_ids()


def test_every_health_check_passes_and_would_fail(running: Running) -> None:
    """Checked twice: as it is, and against ports and a worker that are not there."""
    elsewhere = running.native.pointing_nowhere()
    for replica in running.native.replicas.values():
        answer = running.native.check(replica)
        assert answer.returncode == 0, (replica.name, answer.stdout, answer.stderr)
        # A worker's is asked for by name; a broker that is away would be waited for.
        is_worker = replica in workers(running)
        wrong = (running.native if is_worker else elsewhere).check(replica, HOSTNAME="nobody", PGPORT="1")
        assert wrong.returncode != 0, replica.name


def test_every_service_stays_within_its_limits(running: Running) -> None:
    used = {one.name: running.native.memory_mb(one) for one in running.native.replicas.values()}
    limits = {one.name: one.service.memory_mb for one in running.native.replicas.values()}
    print("\n".join(f"{name:24} {used[name]:5} of {limits[name]:5} MB" for name in used))
    assert {name: mb for name, mb in used.items() if mb > 0.8 * limits[name]} == {}


def test_no_task_nor_trigger_complained(running: Running) -> None:
    """What a wrong policy, login or address would leave in the logs, though the retry went well."""
    complaint = re.compile(
        r"refused the credentials|Access ?Denied|InvalidAccessKeyId|NOAUTH|401 Unauthorized"
    )
    for replica in running.native.replicas.values():
        log = running.native.log(replica.name).read_text(encoding="utf-8", errors="replace").splitlines()
        # The demo's look at the stack asks MLflow without a login too, and wants to be refused.
        told = [line for line in log if complaint.search(line) and WITHOUT_LOGIN not in line]
        assert told == [], replica.name


def test_the_settings_are_the_files(running: Running) -> None:
    settings = load_settings(dict(running.native.services["airflow-worker"].environ))
    assert settings.shard_mb == 1
    assert settings.run_owner == "stack-test"


def test_z_ends_without_a_trace(running: Running) -> None:
    """The last one: what the fixture does again is looked at here."""
    running.native.down()
    wait("every port", lambda: all(map(is_free, running.native.ports.values())) or None, 10)
    assert processes.members(running.native.identity) == []
