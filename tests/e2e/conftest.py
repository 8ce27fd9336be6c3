"""A whole local stack for the end-to-end tests: object store, MLflow, a real Airflow."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile
from typing import Any, TypeVar

import pytest

from devstack.home import Home
from devstack.iris_tables import split_iris
from devstack.stack import Stack
from iris_core.doctor.airflow_api import AirflowApi, DagRun
from iris_core.ledger import Kind, Record
from iris_core.ledger.workspace import Workspace
from iris_core.store.objects import ObjectVersion

Found = TypeVar("Found")
WEBHOOK, SLACK, DATABASE = "the webhook's token", "Slack's token", "a database's password"
PLANTED = {
    WEBHOOK: "planted-webhook-4f2c9a1e",
    SLACK: "planted-slack-8b7d6c5a",
    DATABASE: "planted-database-1a2b3c4d",
}
BOUND_S = 240.0
"""A chain takes 20 s; beside other tests, on two busy cores, ten times that."""
PATIENCE_S = 60.0
"""Airflow's API answers at once; on two busy cores it took over ten seconds."""
FINISHED = {"success", "failed"}


@dataclass(frozen=True)
class Running:
    """A running stack, and ways to wait for what must happen in it."""

    stack: Stack
    workspace: Workspace
    airflow: AirflowApi

    def put(self, key: str, data: bytes) -> ObjectVersion:
        """Upload an object."""
        return self.workspace.store.put(self.workspace.settings.bucket, key, data, "text/csv")

    def train(self, data: bytes) -> ObjectVersion:
        """Upload training data."""
        return self.put(self.workspace.settings.train_key, data)

    def score(self, data: bytes) -> ObjectVersion:
        """Upload inference data."""
        return self.put(self.workspace.settings.test_key, data)

    def wait(self, what: str, look: Callable[[], Found | None], bound_s: float = BOUND_S) -> Found:
        """Look until there is something to see; fails with what was waited for."""
        until = time.monotonic() + bound_s
        while time.monotonic() < until:
            if (found := look()) is not None:
                return found
            time.sleep(0.3)
        pytest.fail(f"{what} did not arrive within {bound_s:.0f} s; the ledger: {self.shown()}")

    def decided(self, kind: Kind, version: ObjectVersion, since: datetime | None = None) -> Record:
        """Wait for the decision about an object version; the newest one made since a time."""
        return self.wait(f"{kind} of {version.uri}", lambda: self.decision(kind, version, since))

    def decision(self, kind: Kind, version: ObjectVersion, since: datetime | None = None) -> Record | None:
        """The newest decision about an object version, if there is one."""
        records = takewhile(
            lambda record: since is None or record.at >= since, self.workspace.ledger.recent(kind)
        )
        return next((r for r in records if r.about and r.about.digest == version.digest), None)

    def trigger(self, dag_id: str) -> DagRun:
        """Start a run by hand and wait until it has ended."""
        run = self.airflow.trigger(dag_id)
        return self.wait(f"the end of {run.dag_run_id}", lambda: self.ended(dag_id, run.dag_run_id))

    def ended(self, dag_id: str, run_id: str) -> DagRun | None:
        """A run that has ended."""
        run = DagRun.model_validate(self.airflow.get(f"/dags/{dag_id}/dagRuns/{run_id}"))
        return run if run.state in FINISHED else None

    def states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """The state of each task of a run (of a mapped task: of its last instance)."""
        found = self.airflow.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in found}

    def quiet(self) -> None:
        """Wait until no run is under way, and none is about to start: a task's event becomes a run later."""
        self.wait("the end of all runs", lambda: None if self._running() else True)

    def _running(self) -> bool:
        # The runs twice: one that ends between two looks has queued its event by the second.
        return self._runs() or any(map(self._queued, self.airflow.dag_ids())) or self._runs()

    def _runs(self) -> bool:
        found = self.airflow.get("/dags/~/dagRuns", state=["queued", "running"], limit=1)
        return bool(found["total_entries"])

    def _queued(self, dag_id: str) -> bool:
        return bool(self.airflow.get(f"/dags/{dag_id}/assets/queuedEvents")["total_entries"])

    def shown(self) -> str:
        """The ledger in a line each."""
        return "; ".join(f"{r.kind} {r.outcome} {r.subject[:8]}" for r in self.workspace.ledger.recent())


class Receiver:
    """What alerts are posted to; it refuses the first one on Slack's path, as an error that is logged."""

    def __init__(self) -> None:
        self.got: list[tuple[str, int]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                is_first = "slack" in self.path and not any("slack" in path for path, _ in receiver.got)
                status = 403 if is_first else 200
                receiver.got.append((self.path, status))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def has_both(self) -> bool:
        """Whether each channel took an alert, and Slack's refused one before."""
        wanted = {("slack", 403), ("slack", 200), ("hook", 200)}
        return wanted <= {(path[1:].split("?")[0].split("/")[0], status) for path, status in self.got}


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """A receiver of alerts on the loopback."""
    found = Receiver()
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[Running]:
    """A stack of its own, on free ports, ended with all its processes whatever happens.

    Its environment holds planted secrets: those of the alerts' addresses, and a password that nobody uses.
    """
    home = Home(tmp_path_factory.mktemp("iris"))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("IRIS_PORT")}
    loop = {"RETRAIN_ON_DRIFT": "true", "RETRAIN_COOLDOWN_HOURS": "0"}
    planted = {
        "DRIFT_ALERT_WEBHOOK": f"{receiver.url}/hook?token={PLANTED[WEBHOOK]}",
        "DRIFT_ALERT_SLACK": f"{receiver.url}/slack/services/{PLANTED[SLACK]}",
        "PGPASSWORD": PLANTED[DATABASE],
    }
    stack = Stack(home, {**inherited, **loop, **planted, "RUN_OWNER": "end-to-end"})
    try:
        state = stack.up()
        yield Running(stack, stack.workspace(), AirflowApi(state.endpoints["airflow"], patience_s=PATIENCE_S))
    finally:
        stack.down()


@pytest.fixture
def tables(running: Running) -> tuple[bytes, bytes]:
    """Training and inference data that no test before had."""
    seed = int(datetime.now(UTC).timestamp() * 1000) % 2**32
    training, inference = split_iris(running.workspace.settings.project.table, seed)
    return training.csv(), inference.csv()
