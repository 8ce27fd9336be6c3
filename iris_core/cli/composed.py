"""The stack of docker-compose.yml, seen from this machine: its published ports, and the logins for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from iris_core.errors import ConfigError
from iris_core.settings.project_files import PROJECT_FILE_VARIABLE
from iris_core.settings.projects import Deployment
from iris_core.settings.variables import Settings, load_deployment, load_settings

PORTS = {"AIRFLOW_PORT": "8080", "MLFLOW_PORT": "5000", "MINIO_PORT": "9000"}
"""Variables with the published ports, and docker-compose.yml's defaults."""

ADMIN = "admin"


@dataclass(frozen=True)
class Login:
    """A login for the stack: MLflow's account, and the variables of its secrets in `.env`.

    :param account: MLflow's account.
    :param password: the variable with that account's password.
    :param store_key: the variable with the access key of the object store.
    :param store_secret: the variable with its secret.
    :param may: what this login may do, for the message about a missing secret.
    """

    account: str
    password: str
    store_key: str
    store_secret: str
    may: str


UPLOADER = Login(
    "reader",
    "MLFLOW_READER_PASSWORD",
    "UPLOAD_ACCESS_KEY_ID",
    "UPLOAD_SECRET_ACCESS_KEY",
    "read everything and upload",
)
DECIDER = Login(
    "staging",
    "MLFLOW_STAGING_PASSWORD",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "stage models and write the ledger, which approve, refuse, rollback and retry do",
)


@dataclass(frozen=True)
class Composed:
    """The stack's addresses, the settings of the chosen project with a login, and all projects.

    `password` is that of Airflow's first account.
    """

    settings: Settings
    deployment: Deployment
    airflow: str
    mlflow: str
    password: str = field(repr=False)


def composed(env_file: Path, environ: Mapping[str, str] | None = None, login: Login = UPLOADER) -> Composed:
    """The stack that was started with this `.env`. As in compose, a variable of the shell wins.

    :param env_file: the `.env` file, with ports and secrets.
    :param environ: the shell's variables; default: this process's environment.
    :param login: the login to use.
    :raises ConfigError: the file does not exist, is not text, or lacks a secret.
    """
    if not env_file.is_file():
        raise ConfigError(
            f"There is no {env_file}. `make env` writes one, `make compose-up` starts the stack."
        )
    found = _read(env_file)
    given = {**found, **(os.environ if environ is None else environ)}
    airflow, mlflow, store = (f"http://127.0.0.1:{given.get(name) or port}" for name, port in PORTS.items())
    values = {
        "MLFLOW_S3_ENDPOINT_URL": store,
        **{name: value for name, value in given.items() if value},
        # The variable in `.env` names a path in the containers.
        PROJECT_FILE_VARIABLE: os.environ.get(PROJECT_FILE_VARIABLE, ""),
        "MLFLOW_TRACKING_URI": mlflow,
        "MLFLOW_TRACKING_USERNAME": login.account,
        "MLFLOW_TRACKING_PASSWORD": _secret(given, login.password, env_file, login.may),
        "AWS_ACCESS_KEY_ID": _secret(given, login.store_key, env_file, login.may),
        "AWS_SECRET_ACCESS_KEY": _secret(given, login.store_secret, env_file, login.may),
    }
    password = _secret(given, "AIRFLOW_ADMIN_PASSWORD", env_file, "ask Airflow")
    return Composed(load_settings(values), load_deployment(values), airflow, mlflow, password)


def _read(env_file: Path) -> dict[str, str]:
    try:
        return {name: value for name, value in dotenv_values(env_file).items() if value}
    except UnicodeDecodeError as error:
        raise ConfigError(f"{env_file} is no .env: its bytes are not UTF-8. Name another.") from error


def _secret(given: Mapping[str, str], name: str, env_file: Path, may: str) -> str:
    if not given.get(name):
        raise ConfigError(
            f"{env_file} does not set {name}, the secret of who may {may}. Where the stack was started "
            "`make env` adds what is missing; elsewhere take it from there."
        )
    return given[name]
