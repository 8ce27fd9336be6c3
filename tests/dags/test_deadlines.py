"""Airflow's deadlines beside promised times: which runs have one, and what a missed one does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.dags.conftest import environment, told
from tests.dags.test_dags import FILES

pytestmark = pytest.mark.dags

STORED = """
import json, runpy, sys
from airflow.sdk.definitions._internal.contextmanager import DagContext
from airflow.serialization.decoders import decode_deadline_alert
from airflow.serialization.serialized_objects import DagSerialization

DagContext.current_autoregister_module_name = "deadlines"
for path in sys.argv[1:]:
    runpy.run_path(path, run_name="deadlines")

def told(alert):
    name = type(alert.reference.inner_ref).__name__
    return [name, alert.interval.total_seconds(), alert.callback.path, alert.callback.kwargs]

print("STORED", json.dumps({
    dag.dag_id: [
        told(decode_deadline_alert(one))
        for one in DagSerialization.to_dict(dag)["dag"]["deadline"] or []
    ]
    for dag, _ in DagContext.autoregistered_dags
}))
"""

QUEUED = """
import json, sys
from datetime import UTC, datetime
from airflow.models import DagRun
from airflow.utils.session import create_session
from iris_airflow.deadlines import EventRunQueuedAt

found = {}
with create_session() as session:
    for kind in ("asset_triggered", "scheduled", "manual", "backfill"):
        run = DagRun(dag_id="a_dag", run_id=kind, run_type=kind, state="queued")
        run.queued_at = datetime(2026, 1, 2, tzinfo=UTC)
        session.add(run)
        session.flush()
        since = EventRunQueuedAt()._evaluate_with(session=session, dag_id="a_dag", run_id=kind)
        found[kind] = since and since.isoformat()
    session.rollback()
print("QUEUED", json.dumps(found))
"""


def stored(folder: Path, **variables: str) -> dict[str, Any]:
    """Of each DAG the deadlines, as the scheduler reads them back."""
    environ = environment(folder, **variables)
    found: dict[str, Any] = told(STORED, [str(file) for file in FILES], environ, folder, "STORED")
    return found


def test_each_dag_that_events_start_has_the_promised_one(tmp_path: Path) -> None:
    deadline = ["EventRunQueuedAt", 900, "iris_airflow.deadlines.missed", {"project": "team_a_iris"}]
    assert stored(tmp_path, VERDICT_WITHIN="15m") == {
        "team_a_dev_iris_batch_inference": [deadline],
        "team_a_dev_iris_drift_pipeline": [deadline],
        "team_a_dev_iris_pipeline": [deadline],
        "team_a_dev_iris_promised_times": [],
    }


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"VERDICT_WITHIN": "15m", "AIRFLOW__CORE__EXECUTOR": "KubernetesExecutor"},
        {"VERDICT_WITHIN": "15m", "AIRFLOW__CORE__EXECUTOR": "KubernetesExecutor,LocalExecutor"},
    ],
)
def test_there_is_none_without_a_promise_or_where_a_missed_one_would_stop_the_scheduler(
    variables: dict[str, str], tmp_path: Path
) -> None:
    assert not any(stored(tmp_path, **variables).values())


def test_only_a_run_that_an_event_started_has_one(airflow_template: Path, tmp_path: Path) -> None:
    shutil.copy(airflow_template, tmp_path / "airflow.db")
    assert told(QUEUED, [], environment(tmp_path), tmp_path, "QUEUED") == {
        "asset_triggered": "2026-01-02T00:00:00+00:00",
        "scheduled": None,
        "manual": None,
        "backfill": None,
    }
