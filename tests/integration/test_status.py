"""`iris status`: the state of a deployment on a terminal, once or again and again, and for machines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from iris_core import monitoring, promotion
from iris_core.cli import app
from iris_core.errors import DataRejected
from iris_core.ledger.workspace import Workspace
from iris_core.overview import overview
from iris_core.training import TrainingWork, reconcile_training, validate
from tests.loop import score_owed
from tests.registry import train_one

pytestmark = pytest.mark.integration

run = CliRunner().invoke


@pytest.fixture(autouse=True)
def deployed(tracked: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace that the environment names, as on a worker; no local stack runs."""
    access = tracked.store.access
    for name, value in {
        "IRIS_HOME": str(tmp_path / ".iris"),
        "COLUMNS": "200",
        "MLFLOW_TRACKING_URI": tracked.settings.tracking_uri,
        "MLFLOW_S3_ENDPOINT_URL": access.endpoint_url,
        "AWS_ACCESS_KEY_ID": access.access_key_id,
        "AWS_SECRET_ACCESS_KEY": access.secret_access_key,
        "TEAM": tracked.settings.team,
    }.items():
        monkeypatch.setenv(name, value)
    return tracked


def played(workspace: Workspace, train: bytes, test: bytes) -> None:
    """The whole loop, once."""
    promotion.promote(workspace, train_one(workspace, train))
    workspace.store.put(workspace.settings.bucket, workspace.settings.test_key, test, "text/csv")
    score_owed(workspace)
    for one in monitoring.plan_reports(workspace):
        monitoring.report(workspace, one)


def refused(workspace: Workspace, header: str) -> str:
    """Upload a table that is refused; return its sentence."""
    data = f"{header}\n1\n".encode()
    workspace.store.put(workspace.settings.bucket, workspace.settings.train_key, data, "text/csv")
    work: TrainingWork = reconcile_training(workspace)
    with pytest.raises(DataRejected) as caught:
        validate(workspace, work)
    return str(caught.value)


@pytest.mark.slow
def test_people_and_machines_read_what_the_page_shows(
    deployed: Workspace, train_csv: bytes, test_csv: bytes
) -> None:
    played(deployed, train_csv, test_csv)
    sentence = refused(deployed, "[red]nothing[/]")
    found = run(app, ["status", "--json"])
    [told] = json.loads(found.stdout)["overview"]
    shown = overview(deployed).model_dump(mode="json")
    assert {**told, "at": ""} == {**shown, "at": ""}
    text = " ".join(run(app, ["status"]).output.split())
    for reply in told["replies"]:
        assert reply["question"] in text
        assert " ".join(reply["sentence"].split()) in text
    assert " ".join(sentence.split()) in text
    assert "[red]nothing[/]" in text
    [table] = told["scorings"]
    assert f"{table['rows']}" in text
    assert table["trace"]["object"].partition("?")[0] in text


def test_an_empty_deployment_says_what_to_upload(deployed: Workspace) -> None:
    text = run(app, ["status"]).output
    assert "iris upload train.csv --as train" in text
    assert json.loads(run(app, ["status", "--json"]).stdout)["overview"][0]["staged"] is None


def test_the_local_stack_that_does_not_run_is_told_by_the_exit_code(deployed: Workspace) -> None:
    found = run(app, ["status", "--json"])
    assert (found.exit_code, json.loads(found.stdout)["up"]) == (3, False)


def test_one_of_several_projects(deployed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    monkeypatch.setenv(
        "IRIS_PROJECT_FILE", f"{root / 'project.json'},{root / 'projects/penguins/project.json'}"
    )
    monkeypatch.setenv("TEAM_S3_BUCKET__PENGUINS", deployed.settings.bucket)
    both = json.loads(run(app, ["status", "--json"]).stdout)["overview"]
    assert [
        one["model"].endswith(f"{name}_model") for one, name in zip(both, ("iris", "penguins"), strict=True)
    ]
    [one] = json.loads(run(app, ["--project", "penguins", "status", "--json"]).stdout)["overview"]
    assert one["model"] == both[1]["model"]
    monkeypatch.setenv("TEAM_S3_BUCKET__PENGUINS", "a-bucket-that-is-not-there")
    broken = run(app, ["status", "--json"])
    assert [it["model"] for it in json.loads(broken.stdout)["overview"]] == [both[0]["model"]]
    assert (broken.exit_code, "a-bucket-that-is-not-there" in broken.stderr) == (1, True)


def test_a_watch_shows_what_happens_until_it_is_interrupted(deployed: Workspace) -> None:
    """As on a terminal: it draws again, and Ctrl-C ends it without a traceback."""
    command = [str(Path(sys.executable).parent / "iris"), "status", "--watch", "--every", "1"]
    environ = os.environ | {"FORCE_COLOR": "1", "TERM": "xterm"}
    with subprocess.Popen(
        command, env=environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as watching:
        assert watching.stderr is not None
        try:
            _read_until(watching.stderr.readline, "Nothing in the last 7 days")
            refused(deployed, "nothing")
            _read_until(watching.stderr.readline, "column")
            watching.send_signal(signal.SIGINT)
            rest = watching.stderr.read()
        finally:
            watching.kill()
    assert "Traceback" not in rest
    assert watching.returncode == 0


def _read_until(line: Callable[[], str], text: str) -> None:
    """Read lines until one has the text; the test's own timeout bounds it."""
    while text not in (read := line()):
        assert read, f"it ended before it showed {text!r}"
