"""`iris up`, `down`, `status`, `reset`, where no stack runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from iris_core.cli import app

run = CliRunner().invoke


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and room for long lines."""
    monkeypatch.setenv("IRIS_HOME", str(tmp_path / ".iris"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / ".iris"


def test_status_of_no_stack(home: Path) -> None:
    result = run(app, ["status", "--json"])
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert told["up"] is False
    assert {component["name"] for component in told["components"]} >= {"store", "mlflow", "scheduler"}
    assert "Start it with: iris up" in run(app, ["status"]).output


def test_down_and_reset_of_no_stack(home: Path) -> None:
    assert run(app, ["down"]).exit_code == 0
    assert run(app, ["reset"]).exit_code == 2
    assert home.exists()
    assert run(app, ["reset", "--yes"]).exit_code == 0
    assert not home.exists()


@pytest.mark.parametrize("command", [["reset", "--yes"], ["reset", "--yes", "--force"], ["down"], ["up"]])
def test_a_folder_with_other_files_is_none_of_a_stack(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    monkeypatch.setenv("IRIS_HOME", str(tmp_path))
    result = run(app, command)
    assert result.exit_code == 1
    assert f"{tmp_path} is no folder of a stack: it holds thesis.txt" in result.stderr
    assert [*tmp_path.iterdir()] == [thesis]


def test_figures_alone_are_reset(home: Path) -> None:
    (home / "results").mkdir(parents=True)
    assert run(app, ["reset", "--yes"]).exit_code == 0
    assert not home.exists()


@pytest.mark.parametrize("below", ["", "home"])
@pytest.mark.parametrize("command", [["status"], ["up"], ["down"], ["ledger"]])
def test_a_home_that_is_a_file_is_named(
    command: list[str], below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "notes.txt"
    file.touch()
    monkeypatch.setenv("IRIS_HOME", str(file / below))
    result = run(app, command)
    assert result.exit_code == 1
    assert f"error IRIS_HOME={file / below}: {file} is a file. Name a folder" in result.stderr


@pytest.mark.integration
@pytest.mark.parametrize(
    ("command", "variables", "message"),
    [
        ("up", {"IRIS_PORT_AIRFLOW": "http"}, "IRIS_PORT_AIRFLOW=http: not a port"),
        ("up", {"MINIO_BIN": "/no/minio"}, "store: MINIO_BIN=/no/minio cannot be run"),
        ("demo", {"ACCURACY_THRESHOLD": "2"}, "ACCURACY_THRESHOLD=2"),
    ],
)
def test_an_error_is_one_message_without_a_traceback(
    command: str, variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = run(app, [command])
    assert result.exit_code == 1
    assert f"error {message}" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", [["up"], ["down"], ["status"], ["reset", "--yes"]])
def test_they_do_not_pretend_to_be_composes(command: list[str], tmp_path: Path) -> None:
    result = run(app, ["--compose", str(tmp_path / ".env"), *command])
    assert result.exit_code == 1
    assert "make compose-up" in result.output
