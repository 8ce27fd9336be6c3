"""docker-compose.yml with the profile `celery`, running natively for the whole session.

`KEEP_STACK_LOGS=FOLDER make test-stack` leaves the containers' logs and Airflow's folder there.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.env_file import read_env, write_env
from iris_core.cli.composed import ADMIN, Composed, composed
from iris_core.doctor.airflow_api import AirflowApi
from iris_core.ledger.workspace import Workspace, access_from_settings, open_workspace
from tests.stack import compose_file
from tests.stack.images import Missing, check_servers
from tests.stack.native import ROOT, Native, free_ports

PUBLISHED = {
    "AIRFLOW_PORT": ("airflow-api-server", 8080),
    "MLFLOW_PORT": ("mlflow", 5000),
    "MINIO_PORT": ("minio", 9000),
    "MINIO_CONSOLE_PORT": ("minio", 9001),
}
SETTINGS = {"SHARD_MB": "1", "RUN_OWNER": "stack-test"}


@dataclass(frozen=True)
class Running:
    """The stack, and how this machine talks to it."""

    native: Native
    env_file: Path
    there: Composed
    workspace: Workspace
    airflow: AirflowApi


def scaled_out() -> dict[str, str]:
    """What `make compose-up EXECUTOR=celery` adds to the environment."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    [line] = re.findall(r"^SCALED_OUT := (.+)$", text, re.MULTILINE)
    return {"COMPOSE_PROFILES": "celery", **dict(word.split("=", 1) for word in line.split())}


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """Everything up and healthy; everything ended afterwards, whatever happened."""
    try:
        check_servers()
    except Missing as missing:
        pytest.exit(f"make test-stack cannot run: {missing}", returncode=3)
    folder = Path(tempfile.mkdtemp(prefix="iris-stack-"))
    # The server of PostgreSQL is another user's when we are root.
    folder.chmod(0o755)
    env_file = folder / ".env"
    ports = free_ports()
    write_env(env_file)
    with env_file.open("a") as file:
        file.writelines(f"{name}={ports[place]}\n" for name, place in PUBLISHED.items())
        file.writelines(f"{name}={value}\n" for name, value in {**scaled_out(), **SETTINGS}.items())
    services = compose_file.load(ROOT / "docker-compose.yml", read_env(env_file))
    native = Native(services, folder, ports)
    began = time.monotonic()
    try:
        native.up()
        print(f"\nup after {time.monotonic() - began:.0f} s:", _healthy(native))
        there = composed(env_file, {})
        airflow = AirflowApi(there.airflow, (ADMIN, there.password))
        workspace = open_workspace(there.settings, access_from_settings(there.settings))
        yield Running(native, env_file, there, workspace, airflow)
    finally:
        native.down()
        if keep := os.environ.get("KEEP_STACK_LOGS"):
            shutil.copytree(
                folder, keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("postgres", "data")
            )
        shutil.rmtree(folder, ignore_errors=True)


def _healthy(native: Native) -> str:
    return ", ".join(f"{name} {one.healthy_after_s:.0f}" for name, one in native.replicas.items())
