"""The stack of docker-compose.yml as this machine sees it: published ports, and the user who uploads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from iris_core.errors import ConfigError
from iris_core.settings.project import PROJECT_FILE_VARIABLE, load_project
from iris_core.settings.variables import Settings, load_settings

PORTS = {"AIRFLOW_PORT": "8080", "MLFLOW_PORT": "5000", "MINIO_PORT": "9000"}
"""docker-compose.yml's defaults."""

ADMIN = "admin"
READER = "reader"
"""MLflow's account that may read."""


@dataclass(frozen=True)
class Composed:
    """Where the stack is, and who asks: Airflow's first account, and the object store's user for uploads.

    That user may write the landing keys only.
    """

    settings: Settings
    airflow: str
    mlflow: str
    password: str = field(repr=False)


def composed(env_file: Path, environ: Mapping[str, str] | None = None) -> Composed:
    """The stack that was started with this `.env`; a variable that is set in the shell wins, as in compose.

    :raises ConfigError: the file is not there, or lacks a secret.
    """
    if not env_file.is_file():
        raise ConfigError(
            f"There is no {env_file}. `make env` writes one, `make compose-up` starts the stack."
        )
    found = {name: value for name, value in dotenv_values(env_file).items() if value}
    given = {**found, **(os.environ if environ is None else environ)}
    airflow, mlflow, store = (f"http://127.0.0.1:{given.get(name) or port}" for name, port in PORTS.items())
    values = {
        "MLFLOW_S3_ENDPOINT_URL": store,
        **{name: value for name, value in given.items() if value and name != PROJECT_FILE_VARIABLE},
        "MLFLOW_TRACKING_URI": mlflow,
        "MLFLOW_TRACKING_USERNAME": READER,
        "MLFLOW_TRACKING_PASSWORD": _secret(given, "MLFLOW_READER_PASSWORD", env_file),
        "AWS_ACCESS_KEY_ID": _secret(given, "UPLOAD_ACCESS_KEY_ID", env_file),
        "AWS_SECRET_ACCESS_KEY": _secret(given, "UPLOAD_SECRET_ACCESS_KEY", env_file),
    }
    password = _secret(given, "AIRFLOW_ADMIN_PASSWORD", env_file)
    # The file that the variable names is one in the containers.
    return Composed(load_settings(values, load_project()), airflow, mlflow, password)


def _secret(given: Mapping[str, str], name: str, env_file: Path) -> str:
    if not given.get(name):
        raise ConfigError(f"{env_file} does not set {name}. `make env` adds what is missing.")
    return given[name]
