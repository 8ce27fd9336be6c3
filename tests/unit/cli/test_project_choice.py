"""`iris --project`: which of several projects a command is about."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from iris_core.cli import app
from iris_core.doctor import check_projects
from iris_core.settings.project_files import load_project, shipped_file
from iris_core.settings.projects import chosen_project
from iris_core.settings.variables import load_deployment, load_settings

pytestmark = pytest.mark.integration

run = CliRunner().invoke
IRIS = load_project(shipped_file()).model_dump(mode="json")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Iris, and wine with other limits, from which the table that is tried below is refused."""
    (tmp_path / "projects").mkdir()
    (tmp_path / "project.json").write_text(json.dumps(IRIS))
    wine = {**IRIS, "name": "wine", "table": {**IRIS["table"], "min_rows": 5000}}
    (tmp_path / "projects" / "wine.json").write_text(json.dumps(wine))
    monkeypatch.setenv("IRIS_PROJECT_FILE", str(tmp_path))
    monkeypatch.setenv("IRIS_HOME", str(tmp_path / ".iris"))
    monkeypatch.delenv("IRIS_PROJECT", raising=False)
    return tmp_path


@pytest.fixture
def table(tmp_path: Path, train_csv: bytes) -> str:
    path = tmp_path / "table.csv"
    path.write_bytes(train_csv)
    return str(path)


def test_it_is_for_this_command_alone(table: str) -> None:
    refused = run(app, ["--project", "wine", "try", table])
    assert "5,000 rows" in refused.output or "5000" in refused.output
    assert refused.exit_code == 1
    assert chosen_project.get() == ""
    assert load_settings().project.name == "iris"
    assert run(app, ["try", table]).exit_code == 0


def test_the_variable_does_the_same_and_the_option_wins(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRIS_PROJECT", "wine")
    assert run(app, ["try", table]).exit_code == 1
    assert run(app, ["--project", "iris", "try", table]).exit_code == 0


def test_an_unknown_one_lists_those_that_there_are(table: str) -> None:
    refused = run(app, ["--project", "whine", "try", table])
    assert refused.exit_code == 1
    assert "whine is the name of no project. Known: iris, wine." in " ".join(refused.output.split())


def test_the_doctor_tells_of_sound_and_broken_projects(folder: Path) -> None:
    [said] = check_projects(load_deployment())
    assert (said.level, said.said) == ("well", "iris, wine")
    (folder / "projects" / "wine.json").write_text("{")
    well, ill = check_projects(load_deployment())
    assert (well.level, well.said) == ("well", "iris")
    assert ill.level == "ill"
    assert ill.said.startswith(f"{folder}/projects/wine.json, line 1: not JSON")
