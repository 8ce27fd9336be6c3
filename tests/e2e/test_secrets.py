"""After runs of the whole chain, alerts included, no secret is anywhere but in `stack.env`."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from minio import Minio

from devstack.environment import read_environment
from devstack.iris_tables import shifted, split_iris
from devstack.processes import members
from iris_core import promotion
from iris_core.errors import StackError
from iris_core.ledger.records.training import TrainedRecord
from tests.e2e.conftest import PLANTED, Receiver, Running
from tests.leaks import Commands, Search
from tests.records import expect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

GENERATED = (
    "AWS_SECRET_ACCESS_KEY",
    "AIRFLOW__API__SECRET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__CORE__FERNET_KEY",
)

XCOMS = "/dags/~/dagRuns/~/taskInstances/~/xcomEntries"


@pytest.fixture
def search(running: Running) -> Search:
    """For what this stack generated, and for what was planted in its environment."""
    values = read_environment(running.stack.home)
    return Search({**{name: values[name] for name in GENERATED}, **PLANTED})


def drift_twice(running: Running) -> None:
    """A model, and two batches that alert; then everything is decided."""
    table = running.workspace.settings.project.table
    training, inference = split_iris(table, int(datetime.now(UTC).timestamp()))
    trained = expect(TrainedRecord, running.decided("training", running.train(training.csv())))
    running.wait("the promotion", lambda: promotion.verdict_on(running.workspace, trained))
    running.decided("drift", running.score(inference.csv()))
    running.quiet()
    moved = shifted(inference, table).csv()
    for data in (moved, moved + moved.splitlines(keepends=True)[-1]):
        assert running.decided("drift", running.score(data)).outcome in ("medium", "high")
        running.quiet()


def test_secrets_stay_where_they_belong(running: Running, receiver: Receiver, search: Search) -> None:
    with Commands() as commands:
        drift_twice(running)
        running.decided("scoring", running.score(b"sepal_length\nno number\n"))
        running.wait("both alerts", lambda: receiver.has_both() or None)
        running.quiet()
        marked = {process.pid for process in members(running.stack.home.identity())}
    assert len(marked) >= 6
    assert any("scheduler" in command for command in commands.seen)

    home = running.stack.home
    found = list(search.files(home.root, but=[home.environment]))
    found += search.commands(commands.seen)
    found += _objects(running, search)

    assert found == []
    assert stat.S_IMODE(home.environment.stat().st_mode) == 0o600
    assert list(search.files(home.root)), "the search finds nothing where the secrets are: it proves nothing"
    assert home.airflow.joinpath("airflow.db").exists()
    assert _logs(home.airflow), "no task logs to look at"


def _objects(running: Running, search: Search) -> list[str]:
    """What is found in any version of any object of any bucket, and in its key."""
    admin: Minio = running.workspace.store.admin
    found: list[str] = []
    for bucket in admin.list_buckets():
        for listed in admin.list_objects(bucket.name, recursive=True, include_version=True):
            name = f"{bucket.name}/{listed.object_name}"
            found += search.data(name.encode(), f"the key {name}")
            if listed.is_delete_marker:
                continue
            answer = admin.get_object(bucket.name, str(listed.object_name), version_id=listed.version_id)
            try:
                found += search.data(answer.read(), f"s3://{name}")
            finally:
                answer.close()
                answer.release_conn()
    return found


def _logs(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.log") if "task_id=" in str(path)]


def test_the_api_does_not_show_them_either(running: Running, search: Search) -> None:
    for path in ("/connections", "/variables", "/plugins", "/eventLogs", "/importErrors", "/xcomEntries"):
        answer = json.dumps(running.airflow.get(XCOMS if path == "/xcomEntries" else path, limit=100))
        assert list(search.data(answer.encode(), path)) == []
    with pytest.raises(StackError, match="403"):
        running.airflow.get("/config")
