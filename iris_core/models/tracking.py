"""MLflow's client, with bounded waits. Other modules reach MLflow's server through this one."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from iris_core.errors import RegistryError, RegistryMissing
from iris_core.settings.variables import Settings
from iris_provider_minio.errors import NOT_FOUND

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

T = TypeVar("T")

BOUNDS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "7",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Limits for MLflow's client, whose defaults block for four minutes when the server is down, and ask for each
run once more to print its address."""


def client(settings: Settings) -> MlflowClient:
    """A client of the settings' tracking server and registry."""
    for name, value in BOUNDS.items():
        os.environ.setdefault(name, value)
    if settings.tracking_login:
        # MLflow reads these variables itself, and takes blanks and quotes around a value for a part of it.
        os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"] = (
            settings.tracking_login
        )
    import mlflow
    from mlflow.tracking.request_header.databricks_request_header_provider import (
        DatabricksRequestHeaderProvider,
    )

    mlflow.set_tracking_uri(settings.tracking_uri)
    # Before each request MLflow looks for Databricks' libraries on the disk, for a millisecond.
    DatabricksRequestHeaderProvider.in_context = lambda _: False  # type: ignore[method-assign]
    found = mlflow.MlflowClient(settings.tracking_uri, settings.tracking_uri)
    # Before most calls about a registered model MLflow asks the server whether it is a prompt.
    found._raise_if_prompt = lambda name: None  # type: ignore[method-assign]  # noqa: ARG005
    return found


@contextmanager
def asking(what: str, settings: Settings) -> Iterator[None]:
    """Turn MLflow's errors into ours, which name the request, the server and the answer.

    :param what: the request, for the message.
    :raises RegistryMissing: MLflow has no such thing.
    :raises RegistryError: MLflow refused or did not answer.
    """
    import requests
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, requests.RequestException) as error:
        first = str(error).splitlines()[0][:300]
        is_gone = getattr(error, "error_code", "") in NOT_FOUND
        kind = RegistryMissing if is_gone else RegistryError
        raise kind(f"{what} failed on {settings.tracking_uri}: {first}") from error


def is_refused(error: Exception) -> bool:
    """Whether MLflow answered that this account may not; to a file that is stored it answers 403 alone."""
    response = getattr(error, "response", None)
    return (
        getattr(error, "error_code", "") == "PERMISSION_DENIED" or getattr(response, "status_code", 0) == 403
    )


def unless_gone(ask: Callable[[], T]) -> T | None:
    """MLflow's answer; None if what was asked for does not exist, or no longer."""
    from mlflow.exceptions import MlflowException

    try:
        return ask()
    except MlflowException as error:
        if error.error_code not in NOT_FOUND:
            raise
        log.info("Not in MLflow, or not any more: %s", str(error).splitlines()[0][:300])
        return None


def ensure_experiment(mlflow_client: MlflowClient, name: str) -> str:
    """The id of the experiment with this name. Creates it if it is new; two processes may do so at once."""
    from mlflow.exceptions import MlflowException

    found = mlflow_client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(mlflow_client.create_experiment(name))
        except MlflowException:
            found = mlflow_client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)
