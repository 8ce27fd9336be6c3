"""The deployment that a command uses: `--compose`, else the running local stack, else the environment's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iris_core.cli.composed import Login
    from iris_core.doctor.airflow_api import AirflowApi
    from iris_core.ledger.workspace import Workspace
    from iris_core.settings.projects import Deployment
    from iris_core.settings.variables import Settings

ADDRESSES = ("MLFLOW_TRACKING_URI", "MLFLOW_S3_ENDPOINT_URL")
"""Variables that say where a deployment is."""

chosen_compose: ContextVar[Path | None] = ContextVar("compose", default=None)
"""The `.env` of `iris --compose`."""


def deployed_workspace(login: Login | None = None) -> Workspace:
    """The workspace of the chosen deployment.

    :param login: the login for a stack chosen with `--compose`; by default that of uploaders.
    """
    from iris_core.ledger import workspace

    settings = _settings(login)
    return workspace.open_workspace(settings, workspace.access_from_settings(settings))


def open_in_person() -> Workspace:
    """The workspace of the chosen deployment, to act in the name of RUN_OWNER, else of the user."""
    from getpass import getuser

    from iris_core.cli.composed import DECIDER
    from iris_core.ledger import Actor
    from iris_core.ledger.audit import code_version

    workspace = deployed_workspace(DECIDER)
    owner = workspace.settings.run_owner or getuser()
    return workspace.acting_as(Actor(owner=owner, code_version=code_version(workspace.settings)))


def airflow_of(address: str) -> AirflowApi | None:
    """Airflow's API at this address, or that of the chosen stack; None if neither is known."""
    from iris_core.cli.composed import ADMIN, composed
    from iris_core.cli.extensions import running_environment
    from iris_core.doctor.airflow_api import AirflowApi
    from iris_core.doctor.variables import AirflowLogin
    from iris_core.settings.declared import read_variables

    if address:
        return AirflowApi(address.rstrip("/"), read_variables(AirflowLogin).pair)
    if env_file := chosen_compose.get():
        there = composed(env_file)
        return AirflowApi(there.airflow, (ADMIN, there.password))
    running = running_environment()
    return AirflowApi(running["AIRFLOW__API__BASE_URL"]) if running else None


def deployed_projects() -> Deployment:
    """The projects of the chosen deployment."""
    from iris_core.cli.composed import composed
    from iris_core.settings.variables import load_deployment

    if env_file := chosen_compose.get():
        return composed(env_file).deployment
    return load_deployment(_local_environment())


def _settings(login: Login | None) -> Settings:
    from iris_core.cli.composed import UPLOADER, composed
    from iris_core.settings.variables import load_settings

    if env_file := chosen_compose.get():
        return composed(env_file, login=login or UPLOADER).settings
    return load_settings(_local_environment())


def _local_environment() -> Mapping[str, str] | None:
    """The variables of the running local stack; None if none runs. Says so where the shell has others."""
    from iris_core.cli.extensions import running_environment
    from iris_core.cli.screen import Screen

    running = running_environment()
    others = [name for name in ADDRESSES if running and os.environ.get(name, running[name]) != running[name]]
    if others:
        Screen().console.print(
            "[yellow]note[/] This is about the local stack that runs on this machine, not about the address "
            f"in {others[0]}: for that one, end the local stack first (iris down)."
        )
    return running
