"""Links beside tasks and events of assets, as a real Airflow has them from its workers; `iris status`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest

from iris_core import promotion
from iris_core.ledger import Record
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from tests.e2e.conftest import PATIENCE_S, Running
from tests.records import expect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1_200)]

REPORT = "report"
"""A mapped task: of one scoring, its instance 0."""


def test_links_lead_to_pages_that_answer_and_events_say_what_was_made(
    running: Running, tables: tuple[bytes, bytes]
) -> None:
    landed, to_score = running.train(tables[0]), running.score(tables[1])
    trained = expect(TrainedRecord, running.decided("training", landed))
    promoted = running.wait("the promotion", lambda: promotion.verdict_on(running.workspace, trained))
    scored, drift = running.decided("scoring", to_score), running.decided("drift", to_score)
    running.quiet()
    links: dict[str, str] = {}
    for record in (promoted, scored, drift):
        links |= links_of(running, record)
    assert sorted(links) == [
        *("Evidence", "Evidently report", "Manifest", "Model version", "Predictions", "Statistics")
    ]
    # In this stack everybody is an admin; who may see a page is asked in tests/integration/iris_airflow.
    for name, address in links.items():
        answer = httpx.get(address, trust_env=False, timeout=PATIENCE_S)
        assert answer.status_code == 200, (name, address, answer.text[:500])
    events = {name: extra for record in (promoted, scored) for name, extra in extras_of(running, record)}
    names = running.workspace.settings.names
    assert events[names.asset("predictions")]["rows"] == 30
    assert events[names.asset("predictions")]["newest"] == [scored.identity.path]
    if promoted.stages:
        told = events[names.asset("staged_model")]
        assert (told["verdict"], told["metric"]) == (promoted.identity.path, "accuracy")


def test_doctor_examines_an_airflow_at_an_address(running: Running) -> None:
    command = [str(Path(sys.executable).parent / "iris"), "doctor", "--json", "--airflow"]
    environ = os.environ | {"IRIS_HOME": str(running.stack.home.root)}
    done = subprocess.run(
        [*command, running.airflow.address], env=environ, capture_output=True, text=True, check=False
    )
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert found["airflow"]["level"] == "well", done.stdout


def test_status_tells_of_the_stack_and_of_the_project(running: Running) -> None:
    command = [str(Path(sys.executable).parent / "iris"), "status", "--json"]
    environ = os.environ | {"IRIS_HOME": str(running.stack.home.root)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["up"]
    assert told["endpoints"]["airflow"] == running.airflow.address
    [project] = told["overview"]
    assert project["model"] == running.workspace.settings.names.model
    scored = running.workspace.ledger.recent_of(ScoredRecord)
    assert [one["trace"]["record"] for one in project["scorings"]][:1] == [
        one.identity.path for one in islice(scored, 1)
    ]


def links_of(running: Running, record: Record) -> dict[str, str]:
    """The links of the task that made a record."""
    by = record.by
    place = {"map_index": 0} if by.task_id == REPORT else {}
    path = f"/dags/{by.dag_id}/dagRuns/{by.run_id}/taskInstances/{by.task_id}/links"
    found: dict[str, str] = running.airflow.get(path, **place)["extra_links"]
    return found


def extras_of(running: Running, record: Record) -> list[tuple[str, Any]]:
    """The assets whose events the task that made a record sent, with their content."""
    by = record.by
    found = running.airflow.get("/assets/events", source_dag_id=by.dag_id, source_run_id=by.run_id)
    return [(event["name"], event["extra"]) for event in found["asset_events"]]
