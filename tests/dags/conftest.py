"""DAGs of this repository, run to their end in a process with a real Airflow database."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iris_core.ledger.workspace import Workspace

ROOT = Path(__file__).parents[2]
RUN = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.models.asset import AssetEvent
from airflow.models.taskinstance import TaskInstance
from airflow.serialization.serialized_objects import DagSerialization
from airflow.settings import Session

dag_id, times = sys.argv[1], int(sys.argv[2])
dag = DagBag(dag_folder=sys.argv[3]).dags[dag_id]
served = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))

def links(found):
    task = served.get_task(found.task_id)
    return {name: task.get_extra_links(found, name) for name in task.extra_links}

told = []
for _ in range(times):
    run = dag.test(logical_date=None)
    found = Session().query(TaskInstance).filter_by(dag_id=dag_id, run_id=run.run_id).all()
    states = {}
    for one in found:
        states.setdefault(one.task_id, []).append(str(one.state))
    stored = Session().query(AssetEvent).order_by(AssetEvent.id)
    events = [(event.asset.name, event.extra) for event in stored]
    told.append({
        "state": str(run.state),
        "tasks": states,
        "events": [name for name, _ in events],
        "extras": dict(events),
        "links": {one.task_id: links(one) for one in found},
    })
print("RAN", json.dumps(told))
"""

RunDag = Callable[..., list[dict[str, Any]]]


def told(
    code: str, arguments: list[str], environ: dict[str, str], folder: Path, mark: str, bound_s: float = 100
) -> Any:
    """Run Python code in a process of its own; return the JSON that it prints after a mark.

    :param code: the code.
    :param arguments: its `sys.argv`.
    :param environ: its environment.
    :param folder: its working directory.
    :param mark: the word before the JSON.
    :param bound_s: most seconds.
    """
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=bound_s,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    # Airflow's log, which is on stdout as well, may go on after it.
    return json.JSONDecoder().raw_decode(done.stdout.rpartition(f"{mark} ")[2])[0]


@pytest.fixture(scope="session")
def airflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database of Airflow: migrating takes many seconds, copying none."""
    home = tmp_path_factory.mktemp("airflow")
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(command, env=environment(home), cwd=home, capture_output=True, timeout=100, check=True)
    return home / "airflow.db"


def environment(home: Path, **variables: str) -> dict[str, str]:
    """That of an Airflow with its home in a folder and this repository's DAGs."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "TEAM", "MLFLOW", "AWS_", "PYTHONDONT"))
    }
    return kept | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        **variables,
    }


@pytest.fixture
def run_dag(airflow_template: Path, tmp_path: Path) -> RunDag:
    """`run_dag(workspace, dag_id, times=1, **variables)`: what became of each run.

    State of the run, states of each task's instances, the names of the assets whose events were stored, the
    newest event's content of each, and the links of each task as the API server shows them.
    """
    home = tmp_path / "airflow"
    home.mkdir()
    shutil.copy(airflow_template, home / "airflow.db")

    def run(workspace: Workspace, dag_id: str, times: int = 1, **variables: str) -> list[dict[str, Any]]:
        settings, access = workspace.settings, workspace.store.access
        connection = {
            "conn_type": "aws",
            "login": access.access_key_id,
            "password": access.secret_access_key,
            "extra": {"endpoint_url": access.endpoint_url, "region_name": access.region},
        }
        environ = environment(
            home,
            AIRFLOW_CONN_MINIO_DEFAULT=json.dumps(connection),
            MLFLOW_TRACKING_URI=settings.tracking_uri,
            MLFLOW_S3_ENDPOINT_URL=settings.s3_endpoint_url,
            TEAM=settings.team,
            TEAM_S3_TEST_KEY=settings.test_key,
            **variables,
        )
        arguments = [dag_id, str(times), str(ROOT / "dags")]
        ran: list[dict[str, Any]] = told(RUN, arguments, environ, tmp_path, "RAN", 380)
        return ran

    return run
