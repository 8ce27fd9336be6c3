"""Commands that ask a store: uploads, labels, the ledger; people and machines get the same answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from iris_core.cli import app
from iris_core.ledger import Identity
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from tests.records import like

pytestmark = pytest.mark.integration

run = CliRunner().invoke


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and room for long lines."""
    monkeypatch.setenv("IRIS_HOME", str(tmp_path / ".iris"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / ".iris"


@pytest.fixture
def deployed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace that the environment names, as outside a local stack."""
    settings = workspace.settings
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", settings.s3_endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", workspace.store.access.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", workspace.store.access.secret_access_key)
    monkeypatch.setenv("TEAM", settings.team)
    return workspace


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "today.csv"
    path.write_text("sepal_length\n5.1\n")
    return path


@pytest.mark.parametrize("purpose", ["train", "test"])
def test_upload_goes_where_the_pipelines_look(deployed: Workspace, table: Path, purpose: str) -> None:
    result = run(app, ["upload", str(table), "--as", purpose, "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["key"] == f"iris/iris_{purpose}.csv"
    head = deployed.store.head(deployed.settings.bucket, told["key"])
    assert told["digest"] == head.digest
    assert deployed.store.read(head) == table.read_bytes()


def test_upload_below_a_prefix_keeps_the_name(
    deployed: Workspace, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_S3_TEST_KEY", "iris/incoming/")
    result = run(app, ["upload", str(table)])
    assert "iris/incoming/today.csv" in result.output


def test_labels_are_uploaded_below_their_prefix(deployed: Workspace, table: Path) -> None:
    result = run(app, ["upload", str(table), "--as", "labels", "--json"])
    assert json.loads(result.stdout)["key"] == "iris/labels/today.csv"


def test_labels_without_predictions_say_so_and_record_nothing(deployed: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("id,species\nf0,setosa\nf1,\n", encoding="utf-8")
    result = run(app, ["labels", str(path)])
    assert "No predictions were published in the last 90 days" in result.output
    assert "(1 without a label)" in result.output
    path.write_text("id,species\nf0,rose\n", encoding="utf-8")
    refused = run(app, ["labels", str(path)])
    assert refused.exit_code == 1
    assert "row 2: found 'rose'" in refused.output
    assert refused.output.strip().endswith("Then try again.")
    assert list(deployed.ledger.recent()) == []


def test_ledger_prints_the_newest_of_a_kind(deployed: Workspace, table: Path) -> None:
    version = deployed.store.put(deployed.settings.bucket, "iris/iris_train.csv", b"a", "text/csv")
    for what in (TrainedRecord, VerdictRecord, BatchDriftRecord):
        identity = Identity.of_object(what.KIND, version, "v")
        record = like(what, identity=identity, reason=f"{what.KIND} [why]")
        deployed.ledger.commit(record)
    newest = run(app, ["ledger", "--limit", "1", "--json"])
    assert [record["kind"] for record in json.loads(newest.stdout)] == ["drift"]
    some = run(app, ["ledger", "--kind", "training", "--kind", "promotion", "--json"])
    assert [record["kind"] for record in json.loads(some.stdout)] == ["promotion", "training"]
    assert "drift [why]" in run(app, ["ledger"]).output


def test_an_empty_ledger_says_what_to_do(deployed: Workspace) -> None:
    assert "No decision yet" in run(app, ["ledger"]).output
    assert json.loads(run(app, ["ledger", "--json"]).stdout) == []


def test_compose_is_asked_when_it_is_chosen_and_not_the_next_time(
    tmp_path: Path, deployed: Workspace
) -> None:
    refused = run(app, ["--compose", str(tmp_path / "none"), "ledger"])
    assert refused.exit_code == 1
    assert "There is no" in refused.output
    assert run(app, ["ledger"]).exit_code == 0
