"""The stack of docker-compose.yml as this machine sees it: published ports, and the user who uploads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.env_file import read_env
from devstack.environment import url_of
from iris_core.errors import ConfigError
from iris_core.ledger.workspace import Workspace, access_from_settings, open_workspace
from iris_core.settings.variables import EXAMPLES, Settings, load_settings

PORTS = {"AIRFLOW_PORT": "8080", "MLFLOW_PORT": "5000", "MINIO_PORT": "9000"}
"""docker-compose.yml's defaults."""

ADMIN = "admin"


@dataclass(frozen=True)
class Composed:
    """Where the stack is, and who asks: Airflow's first account, and the object store's user for uploads."""

    settings: Settings
    airflow: str
    mlflow: str
    password: str = field(repr=False)

    def workspace(self) -> Workspace:
        """Its store and ledger; the user may write the landing keys only."""
        return open_workspace(self.settings, access_from_settings(self.settings))


def composed(env_file: Path, environ: Mapping[str, str] | None = None) -> Composed:
    """The stack that was started with this `.env`; a variable that is set in the shell wins, as in compose.

    :raises ConfigError: the file is not there, or lacks a secret.
    """
    if not env_file.is_file():
        raise ConfigError(
            f"There is no {env_file}. `make env` writes one, `make compose-up` starts the stack."
        )
    given = {**read_env(env_file), **(os.environ if environ is None else environ)}
    ports = {name: int(given.get(name) or default) for name, default in PORTS.items()}
    values = {name: given[name] for name in EXAMPLES if given.get(name)}
    values["MLFLOW_TRACKING_URI"] = url_of(ports["MLFLOW_PORT"])
    values["AWS_ACCESS_KEY_ID"] = _secret(given, "UPLOAD_ACCESS_KEY_ID", env_file)
    values["AWS_SECRET_ACCESS_KEY"] = _secret(given, "UPLOAD_SECRET_ACCESS_KEY", env_file)
    values.setdefault("MLFLOW_S3_ENDPOINT_URL", url_of(ports["MINIO_PORT"]))
    return Composed(
        settings=load_settings(values),
        airflow=url_of(ports["AIRFLOW_PORT"]),
        mlflow=values["MLFLOW_TRACKING_URI"],
        password=_secret(given, "AIRFLOW_ADMIN_PASSWORD", env_file),
    )


def _secret(given: Mapping[str, str], name: str, env_file: Path) -> str:
    if not given.get(name):
        raise ConfigError(f"{env_file} does not set {name}. `make env` adds what is missing.")
    return given[name]
