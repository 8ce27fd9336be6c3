"""The components' environment: complete, private, and free of what belongs to other stacks."""

from __future__ import annotations

import ast
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.environment import (
    component_environment,
    read_environment,
    stack_environment,
    write_environment,
    write_local_settings,
)
from devstack.home import Home, find_home
from iris_core.errors import ConfigError
from iris_core.settings.project_files import PROJECT_FILE_VARIABLE, project_file
from iris_core.settings.variables import load_deployment

ROOT = Path(__file__).parents[3]
FILE = "airflow_local_settings.py"
PORTS = {"store": 20001, "store-console": 20002, "mlflow": 20003, "airflow": 20004}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / ".iris")


def test_credentials_are_generated_once_and_private(home: Home) -> None:
    first = stack_environment(home, PORTS, {})
    write_environment(home, first)
    assert home.environment.stat().st_mode & 0o777 == 0o600
    assert stack_environment(home, PORTS, {}) == first
    other = stack_environment(Home(home.root / "other"), PORTS, {})
    assert other["AWS_SECRET_ACCESS_KEY"] != first["AWS_SECRET_ACCESS_KEY"]


@pytest.mark.integration
def test_a_shell_reads_what_was_written(home: Home) -> None:
    values = {**stack_environment(home, PORTS, {"RUN_OWNER": "jane o'doe $HOME"}), "ODD": 'a "b" \\ c'}
    write_environment(home, values)
    assert read_environment(home) == values
    script = f"set -a; . {shlex.quote(str(home.environment))}; env -0"
    shell = subprocess.run(["sh", "-c", script], env={}, capture_output=True, check=True, text=True)
    seen = dict(line.split("=", 1) for line in shell.stdout.split("\0") if line)
    assert values.items() <= seen.items()


def test_a_home_is_named_by_the_variable(tmp_path: Path) -> None:
    assert find_home({"IRIS_HOME": str(tmp_path)}).root == tmp_path
    assert find_home({}).root.name == ".iris"


def test_settings_of_the_user_are_kept_and_checked(home: Home) -> None:
    values = stack_environment(home, PORTS, {"TEAM": "team_b", "PLATFORM_ENV": "prod"})
    assert (values["TEAM"], values["PLATFORM_ENV"]) == ("team_b", "prod")
    with pytest.raises(ConfigError, match="ACCURACY_THRESHOLD"):
        stack_environment(home, PORTS, {"ACCURACY_THRESHOLD": "much"})


def test_a_project_without_a_dag_is_an_error_and_not_an_empty_airflow(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = json.loads(project_file().read_text(encoding="utf-8"))
    moved = tmp_path / "project.json"
    moved.write_text(json.dumps({**project, "dag_directory": "pipelines"}), encoding="utf-8")
    monkeypatch.setenv(PROJECT_FILE_VARIABLE, str(moved))
    with pytest.raises(ConfigError, match=r"There is no DAG in .*/pipelines, so Airflow"):
        stack_environment(home, PORTS, {})
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "notes.py").write_text("# where the dags will be\n")
    with pytest.raises(ConfigError, match=r"dag_directory of .*/project.json"):
        stack_environment(home, PORTS, {})
    (tmp_path / "pipelines" / "one.py").write_text("from airflow.sdk import dag\n")
    stack_environment(home, PORTS, {})


def test_a_project_file_outside_of_the_checkout_has_the_checkout_s_dags(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone copies project.json, changes the table, and lets IRIS_PROJECT_FILE name the copy."""
    moved = tmp_path / "elsewhere" / "project.json"
    moved.parent.mkdir()
    moved.write_text(project_file().read_text(encoding="utf-8"), encoding="utf-8")
    shipped = Path(stack_environment(home, PORTS, {})["AIRFLOW__CORE__DAGS_FOLDER"])
    monkeypatch.setenv(PROJECT_FILE_VARIABLE, str(moved))
    assert Path(stack_environment(home, PORTS, {})["AIRFLOW__CORE__DAGS_FOLDER"]) == shipped
    (moved.parent / "dags").mkdir()
    with pytest.raises(ConfigError, match=r"There is no DAG in .*/elsewhere/dags, so Airflow"):
        stack_environment(home, PORTS, {})


def test_what_belongs_to_other_stacks_is_left_out(home: Home) -> None:
    foreign = {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW_CONN_OTHER": "x",
        "AWS_PROFILE": "work",
        "MLFLOW_TRACKING_TOKEN": "t",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MY_OWN": "kept",
    }
    environ = component_environment(stack_environment(home, PORTS, foreign), foreign)
    assert environ["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert environ["MY_OWN"] == "kept"
    assert environ.keys().isdisjoint(
        {"AIRFLOW_CONN_OTHER", "AWS_PROFILE", "MLFLOW_TRACKING_TOKEN", "PYTHONDONTWRITEBYTECODE"}
    )


def test_everything_is_on_the_loopback_interface(home: Home) -> None:
    values = stack_environment(home, PORTS, {})
    connection = json.loads(values["AIRFLOW_CONN_MINIO_DEFAULT"])
    assert connection["extra"]["endpoint_url"] == values["MLFLOW_S3_ENDPOINT_URL"] == "http://127.0.0.1:20001"
    assert connection["password"] == values["AWS_SECRET_ACCESS_KEY"]
    assert values["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:20003"
    assert values["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:20004/execution/"
    assert values["AIRFLOW__API__HOST"] == "127.0.0.1"


def test_its_airflow_does_what_the_image_s_does_first(home: Home) -> None:
    write_local_settings(home)
    written, ours = (
        ast.parse(path.read_text()) for path in (home.airflow / "config" / FILE, ROOT / "config" / FILE)
    )
    ours.body = ours.body[1:]  # all but its docstring
    assert ast.dump(written) == ast.dump(ours)


def test_every_project_reaches_the_components(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    iris = json.loads(project_file().read_text(encoding="utf-8"))
    (tmp_path / "projects").mkdir()
    (tmp_path / "project.json").write_text(json.dumps(iris))
    (tmp_path / "projects" / "wine.json").write_text(json.dumps({**iris, "name": "wine"}))
    monkeypatch.chdir(tmp_path)
    named = {PROJECT_FILE_VARIABLE: "project.json", "ACCURACY_THRESHOLD__WINE": "0.7"}
    monkeypatch.setenv(PROJECT_FILE_VARIABLE, "project.json")
    stored = stack_environment(home, PORTS, named)
    monkeypatch.chdir("/")
    assert [one.accuracy_threshold for one in load_deployment(stored).projects] == [0.1, 0.7]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "projects" / "wine.json").write_text("{")
    assert stack_environment(home, PORTS, named).keys() == stored.keys()
    (tmp_path / "project.json").write_text("{")
    with pytest.raises(ConfigError, match="not JSON"):
        stack_environment(home, PORTS, named)


@pytest.mark.integration
@pytest.mark.slow
def test_no_process_of_airflow_loads_the_migrations(home: Home) -> None:
    """Each takes 7 to 14 MB for Alembic and all migrations, to check a database that the stack migrated."""
    program = (
        "import sys; from argparse import Namespace; from airflow.utils import cli, db;"
        "db.synchronize_log_template = lambda: None;"  # needs a database
        "cli.action_cli(lambda args: None)(Namespace(func=print, subcommand='scheduler'));"
        "print('alembic' in sys.modules)"
    )
    values = stack_environment(home, PORTS, {})
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=component_environment(values, os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr
