"""The environment of the stack's components, and the credentials that are generated once."""

from __future__ import annotations

import base64
import getpass
import json
import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path

from devstack.home import Home, project_folder, write_file
from devstack.ports import LOOPBACK
from iris_core.errors import ConfigError
from iris_core.models.tracking import BOUNDS
from iris_core.settings.declared import given
from iris_core.settings.project_files import (
    PROJECT_FILE_VARIABLE,
    load_project,
    project_file,
    project_roots,
    shipped_file,
)
from iris_core.settings.projects import for_one_project
from iris_core.settings.variables import Settings, load_deployment

PARALLELISM = 4
DAGS = "dags"

# Settings of another Airflow, MLflow or cloud account in the user's shell would change this stack. With
# PYTHONDONTWRITEBYTECODE every process would compile its imports again (8 s instead of 3).
_FOREIGN = ("AIRFLOW", "MLFLOW_", "_MLFLOW_", "AWS_", "MINIO_", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH")

_LOCAL_SETTINGS = """# Written by the local stack.
import iris_airflow.local_settings

iris_airflow.local_settings.apply()
"""


def url_of(port: int) -> str:
    """The address of a loopback server."""
    return f"http://{LOOPBACK}:{port}"


def stack_environment(home: Home, ports: Mapping[str, int], environ: Mapping[str, str]) -> dict[str, str]:
    """The content of `stack.env`: settings, endpoints and credentials of this stack, nothing inherited.

    :param home: the stack's folder, which keeps the credentials.
    :param ports: the port of each server.
    :param environ: the user's environment, with settings.
    """
    known = given(Settings, environ)
    values = {name: value for name, value in known.items() if not name.startswith(_FOREIGN)}
    values |= {name: environ[name] for name in for_one_project(Settings, environ)}
    values.setdefault("RUN_OWNER", getpass.getuser())
    values |= _credentials(home)
    values |= _endpoints(ports)
    named = given(Settings, os.environ).get(PROJECT_FILE_VARIABLE, "")
    files = {PROJECT_FILE_VARIABLE: ",".join(str(path.resolve()) for path in project_roots(named))}
    load_deployment(component_environment(values | files, environ)).named()
    return values | files | _mlflow() | _airflow(home, ports, values)


def component_environment(values: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """A component's whole environment: the user's, without variables of other stacks, and this stack's."""
    inherited = {name: value for name, value in environ.items() if not name.startswith(_FOREIGN)}
    local = {
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": ",".join(filter(None, [LOOPBACK, "localhost", environ.get("NO_PROXY", "")])),
        # A process title must not overwrite the environment, which marks the stack's processes.
        "SPT_NOENV": "1",
    }
    return inherited | local | dict(values)


def write_environment(home: Home, values: Mapping[str, str]) -> None:
    """Store the environment for the user's shell and the next start; only its owner may read it."""
    lines = [f"{name}={shlex.quote(value)}" for name, value in sorted(values.items())]
    write_file(home.environment, "\n".join(lines) + "\n", mode=0o600)


def read_environment(home: Home) -> dict[str, str]:
    """The environment that `write_environment` stored; empty if there is none."""
    if not home.environment.exists():
        return {}
    words = shlex.split(home.environment.read_text(encoding="utf-8"))
    return dict(word.split("=", 1) for word in words)


def write_local_settings(home: Home) -> None:
    """Write Airflow's local settings to the file where Airflow looks for them."""
    write_file(home.airflow / "config" / "airflow_local_settings.py", _LOCAL_SETTINGS)


def _credentials(home: Home) -> dict[str, str]:
    """The credentials of this home, generated at its first start."""
    known = read_environment(home)
    fresh = {
        "AWS_ACCESS_KEY_ID": f"iris-{secrets.token_hex(4)}",
        "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(48),
        "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
    }
    return {name: known.get(name, value) for name, value in fresh.items()}


def _endpoints(ports: Mapping[str, int]) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": url_of(ports["mlflow"]),
        "MLFLOW_S3_ENDPOINT_URL": url_of(ports["store"]),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _mlflow() -> dict[str, str]:
    return {**BOUNDS, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def _airflow(home: Home, ports: Mapping[str, int], values: Mapping[str, str]) -> dict[str, str]:
    address = url_of(ports["airflow"])
    return {
        "AIRFLOW_HOME": str(home.airflow),
        # By default sqlite waits 5 s for a locked database, too short for the triggerer on a busy machine.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home.airflow / 'airflow.db'}?timeout=60",
        # The stack migrates the database before it starts them; to check it, each would load all migrations.
        "AIRFLOW__DATABASE__CHECK_MIGRATIONS": "False",
        "AIRFLOW_CONN_MINIO_DEFAULT": _connection(values),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(PARALLELISM),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dag_folder()),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home.airflow / "no-plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": str(ports["airflow"]),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
        # Airflow notices a task whose process is gone after one minute, not after five to ten.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        # A worker that missed the end of its task notices it at the next heartbeat, by default 5 s
        # later; until then it takes no other task, and a loop has 13.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "2",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
    }


def _connection(values: Mapping[str, str]) -> str:
    return json.dumps(
        {
            "conn_type": "aws",
            "login": values["AWS_ACCESS_KEY_ID"],
            "password": values["AWS_SECRET_ACCESS_KEY"],
            "extra": {
                "endpoint_url": values["MLFLOW_S3_ENDPOINT_URL"],
                "region_name": values["AWS_DEFAULT_REGION"],
            },
        }
    )


def dag_folder() -> Path:
    """The folder with the DAGs: the one that `project.json` names, beside that file, else the checkout's.

    :raises ConfigError: the folder holds no DAG.
    """
    named = load_project().dag_directory
    folder, shipped = project_folder() / named, shipped_file().parent / DAGS
    if named == DAGS and not folder.is_dir() and shipped.is_dir():
        folder = shipped
    if not any(map(_may_hold_a_dag, folder.rglob("*.py"))):
        raise ConfigError(
            f"There is no DAG in {folder}, so Airflow would have nothing to run. "
            f"dag_directory of {project_file()} is the folder of the DAGs, beside that file; without it, the "
            "checkout's are used. An installed package brings none: start in a checkout, or let "
            f"{PROJECT_FILE_VARIABLE} name its file."
        )
    return folder


def _may_hold_a_dag(file: Path) -> bool:
    """Whether Airflow would read this file: by default it reads only files that hold both words."""
    text = file.read_bytes().lower()
    return b"dag" in text and b"airflow" in text
