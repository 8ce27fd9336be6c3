"""`iris doctor` on the embedded store: what it finds, says, and leaves behind. See test_minio_init, too."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from minio.error import S3Error
from urllib3 import HTTPResponse

from iris_core.doctor import Diagnosis, examine, is_fit
from iris_core.doctor.airflow import check_airflow
from iris_core.doctor.airflow_api import AirflowApi
from iris_core.doctor.clocks import check_clocks, offset_s
from iris_core.doctor.owed import check_owed
from iris_core.doctor.rights import check_rights
from iris_core.doctor.store import check_store
from iris_core.ledger.workspace import Workspace
from iris_core.settings.variables import load_settings
from iris_core.store.objects import ObjectStore, StoreAccess
from tests.conftest import MakeWorkspace

pytestmark = pytest.mark.integration

NAMES = load_settings({}).names
DAGS = (NAMES.training_dag, NAMES.inference_dag, NAMES.drift_dag)


def levels(findings: list[Diagnosis]) -> dict[str, str]:
    return {finding.check: finding.level for finding in findings}


def everything(workspace: Workspace) -> list[tuple[str, str]]:
    listed = workspace.store.admin.list_objects(
        workspace.settings.bucket, recursive=True, include_version=True
    )
    return sorted((str(item.object_name), str(item.version_id)) for item in listed)


def test_a_store_that_has_all_and_nothing_is_left(workspace: Workspace) -> None:
    before = everything(workspace)
    found = list(check_store(workspace.store, workspace.settings, may_write=True))
    assert levels(found) == {
        "versions": "well",
        "folders": "well",
        "conditional writes": "well",
        "notifications": "well",
        "lifecycle": "note",
    }
    assert "the bucket grows" in found[-1].said
    list(check_rights(workspace.store, workspace.settings, are_pipelines=True))
    assert everything(workspace) == before
    uploads = workspace.store.admin._list_multipart_uploads(workspace.settings.bucket).uploads
    assert uploads == []


def test_a_bucket_without_versions_and_one_that_is_not_there(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace(versioned=False)
    found = list(check_store(workspace.store, workspace.settings, may_write=False))
    assert found[0].level == "note"
    assert "keeps no versions" in found[0].said
    elsewhere = load_settings({"TEAM_S3_BUCKET": "never-made"})
    [missing] = check_store(workspace.store, elsewhere, may_write=False)
    assert missing.level == "ill"
    assert "never-made" in missing.said
    assert missing.todo.startswith("Create it: ")


class IgnoringStore(ObjectStore):
    """A store that ignores If-None-Match, as some do."""

    def create(self, bucket: str, key: str, data: bytes, content_type: str) -> bool:
        self.put(bucket, key, data, content_type)
        return True


@pytest.mark.parametrize("deleted", [False, True])
def test_an_object_with_the_key_of_a_folder_is_ill(make_workspace: MakeWorkspace, deleted: bool) -> None:
    workspace = make_workspace(TEAM_S3_TEST_KEY="data/in/")
    store, bucket = workspace.store, workspace.settings.bucket
    store.put(bucket, "data", b"a,b\n", "text/csv")
    if deleted:
        store.delete(bucket, "data")
    found = {one.check: one for one in check_store(store, workspace.settings, may_write=False)}["folders"]
    assert (found.level, f"s3://{bucket}/data " in found.said) == ("ill", True)
    store.put(bucket, "data/in/a.csv", b"a,b\n", "text/csv")
    found = {one.check: one for one in check_store(store, workspace.settings, may_write=False)}["folders"]
    assert found.level == "well"


def test_a_store_that_ignores_if_none_match_is_ill(workspace: Workspace) -> None:
    store = IgnoringStore(workspace.store.access)
    found = {one.check: one for one in check_store(store, workspace.settings, may_write=True)}
    assert found["conditional writes"].level == "ill"
    assert "decide the same thing twice" in found["conditional writes"].said


def test_a_store_without_lifecycle_rules_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As versitygw answers; the embedded store has rules."""

    def refuse(bucket: str) -> None:
        raise S3Error(HTTPResponse(status=501), "NotImplemented", "A header implies more", bucket, "", "")

    monkeypatch.setattr(workspace.store.admin, "get_bucket_lifecycle", refuse)
    found = list(check_store(workspace.store, workspace.settings, may_write=False))[-1]
    assert (found.check, found.level) == ("lifecycle", "note")
    assert "knows no lifecycle rules" in found.said


def test_a_rule_that_deletes_decisions_is_ill(workspace: Workspace) -> None:
    from minio.lifecycleconfig import LifecycleConfig

    from deploy.lifecycle import ensure_lifecycle, rules_of
    from iris_core.settings.places import Place

    settings, store = workspace.settings, workspace.store
    ensure_lifecycle(store, settings)
    assert levels(list(check_store(store, settings, may_write=False)))["lifecycle"] == "well"
    [rule] = rules_of(Place("all", settings.bucket, ""))
    store.admin.set_bucket_lifecycle(settings.bucket, LifecycleConfig([rule]))
    found = list(check_store(store, settings, may_write=False))[-1]
    assert found.level == "ill"
    assert "deletes decisions below ledger/" in found.said


def test_credentials_that_may_do_everything_are_a_note(workspace: Workspace) -> None:
    may, more = check_rights(workspace.store, workspace.settings, are_pipelines=True)
    assert may.level == "well"
    assert more.level == "note"
    assert workspace.settings.train_key in more.said


def test_what_is_owed_for_too_long(workspace: Workspace) -> None:
    assert [one.level for one in check_owed(workspace)] == ["well"]
    workspace.store.put(workspace.settings.bucket, workspace.settings.test_key, b"a\n1\n", "text/csv")
    assert [one.level for one in check_owed(workspace)] == ["well"]
    [late] = check_owed(workspace, within=timedelta(seconds=-60))
    assert late.level == "ill"
    assert workspace.settings.test_key in late.said


def test_what_does_not_answer_is_ill_and_the_rest_is_looked_at(workspace: Workspace) -> None:
    nowhere = ObjectStore(StoreAccess("http://127.0.0.1:1", "nobody", "nobody-secret"))
    settings = load_settings({"MLFLOW_TRACKING_URI": "http://127.0.0.1:1"})
    found = list(examine(Workspace(settings, nowhere, workspace.ledger), AirflowApi("http://127.0.0.1:1")))
    assert not is_fit(found)
    assert {one.check for one in found if one.level == "ill"} == {"store", "mlflow", "airflow"}
    assert all(one.todo for one in found if one.level == "ill")


@contextmanager
def answering(answers: dict[str, Any], ahead_s: float = 0.0) -> Iterator[str]:
    """A server with these JSON answers by path, and a clock of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers.get(self.path.split("?")[0], {})).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(time.time() + ahead_s, usegmt=True)

        def log_message(self, *_: object) -> None:
            """Not on the screen."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("ahead_s", "level"), [(0.0, "well"), (3.0, "well"), (90.0, "ill"), (-90.0, "ill")])
def test_clocks(ahead_s: float, level: str) -> None:
    with answering({}, ahead_s) as address:
        [found] = check_clocks({"the store": address, "nobody": "http://127.0.0.1:1"})
    assert found.level == level
    if level == "ill":
        told = re.search(r"the clock of the store is ([+-]\d+) s off", found.said)
        assert told
        assert abs(int(told[1]) - ahead_s) <= 2


def test_a_server_that_is_away_tells_no_time() -> None:
    assert offset_s("http://127.0.0.1:1") is None


def airflow_answers() -> dict[str, Any]:
    """What an Airflow in which all is well answers."""
    parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
    assets = ("training_data", "inference_data", "labels", "staged_model")
    return {
        "/auth/token": {"access_token": "x"},
        "/api/v2/monitor/health": {part: {"status": "healthy"} for part in parts},
        "/api/v2/dags": {"dags": [{"dag_id": dag, "is_paused": False} for dag in DAGS]},
        "/api/v2/importErrors": {"import_errors": []},
        "/api/v2/assets": {
            "assets": [{"name": NAMES.asset(name), "watchers": [{"trigger_id": 1}]} for name in assets]
        },
    }


def asked(answers: dict[str, Any]) -> dict[str, Diagnosis]:
    with answering(answers) as address:
        return {one.check: one for one in check_airflow(AirflowApi(address), NAMES)}


def test_airflow_in_which_all_is_well() -> None:
    assert {one.level for one in asked(airflow_answers()).values()} == {"well"}


def test_a_triggerer_that_is_silent() -> None:
    answers = airflow_answers()
    answers["/api/v2/monitor/health"]["triggerer"]["status"] = "unhealthy"
    found = asked(answers)["airflow"]
    assert (found.level, found.said) == ("ill", "not healthy: triggerer")


def test_dags_that_are_missing_paused_or_broken() -> None:
    answers = airflow_answers()
    answers["/api/v2/dags"]["dags"][1]["is_paused"] = True
    assert asked(answers)["dags"].said == f"paused: {NAMES.inference_dag}"
    del answers["/api/v2/dags"]["dags"][0]
    assert NAMES.training_dag in asked(answers)["dags"].said
    broken = {"filename": "a.py", "stack_trace": "Traceback\nConfigError: TEAM is wrong\n"}
    answers["/api/v2/importErrors"]["import_errors"] = [broken]
    assert asked(answers)["dags"].said == "a.py cannot be imported: ConfigError: TEAM is wrong"


def test_another_project_s_broken_file_is_no_illness_of_this_one_s_dags() -> None:
    answers = airflow_answers()
    broken = {"filename": "dags/iris_projects.py", "stack_trace": "ConfigError: wine.json: name: wrong.\n"}
    answers["/api/v2/importErrors"]["import_errors"] = [broken]
    assert asked(answers)["dags"].level == "well"
    del answers["/api/v2/dags"]["dags"][0]
    assert "wine.json: name: wrong." in asked(answers)["dags"].said


def test_an_asset_that_nobody_watches() -> None:
    answers = airflow_answers()
    answers["/api/v2/assets"]["assets"][0]["watchers"] = []
    found = asked(answers)["watchers"]
    assert found.level == "ill"
    assert NAMES.asset("training_data") in found.said
