"""MLflow's client and runs, with bounded waits. Other modules reach MLflow's server through this one."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from iris_core.errors import RegistryError
from iris_core.ledger import Identity
from iris_core.ledger.workspace import Workspace
from iris_core.settings.variables import Settings
from iris_core.store.objects import ObjectVersion
from iris_provider_minio.errors import NOT_FOUND

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

T = TypeVar("T")

IDENTITY_TAG = "iris.identity"
COMMIT_TAG = "iris.commit"
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
def quiet() -> Iterator[None]:
    """Silence warnings: skops looks through every loaded module, and provokes their deprecations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def asking(what: str, settings: Settings) -> Iterator[None]:
    """Turn MLflow's errors into ours, which name the request, the server and the answer.

    :param what: the request, for the message.
    :raises RegistryError: MLflow refused or did not answer.
    """
    import requests
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, requests.RequestException) as error:
        first = str(error).splitlines()[0][:300]
        raise RegistryError(f"{what} failed on {settings.tracking_uri}: {first}") from error


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


def end_left_runs(mlflow_client: MlflowClient, experiment: str, identity: Identity) -> int:
    """End the runs that killed attempts at the same decision left RUNNING; return their number.

    :param mlflow_client: MLflow's client.
    :param experiment: the id of the experiment.
    :param identity: the identity of the decision.
    """
    left = mlflow_client.search_runs(
        [experiment],
        f"attributes.status = 'RUNNING' and tags.`{IDENTITY_TAG}` = '{identity}'",
    )
    for run in left:
        mlflow_client.set_tag(run.info.run_id, COMMIT_TAG, "reaped")
        mlflow_client.set_terminated(run.info.run_id, "KILLED")
        log.warning(
            "Ended MLflow run %s: an attempt at %s died, or is under way elsewhere.",
            run.info.run_id,
            identity,
        )
    return len(left)


def settle_left_runs(workspace: Workspace, experiment: str) -> None:
    """Settle pending runs of an experiment whose decision has been made: their attempt died, or lost.

    If the decision's record names the run, its attempt was killed after the commit, and the run is finished;
    any other run lost. This is called before a search for work, and again after the work: a killed task that
    comes back may find its decision made by another run, and may be the last to look for a long time.

    :raises RegistryError: MLflow refused or did not answer.
    """
    with asking(f"Looking for left runs of experiment {experiment}", workspace.settings):
        mlflow_client = client(workspace.settings)
        found = mlflow_client.get_experiment_by_name(experiment)
        if found is None:
            return
        unsettled = f"tags.`{COMMIT_TAG}` = 'pending'"
        for run in mlflow_client.search_runs([found.experiment_id], unsettled):
            path = run.data.tags.get(IDENTITY_TAG)
            record = workspace.ledger.get(path) if path else None
            if record:
                _settle_left(mlflow_client, run, record.run_id == run.info.run_id)


@contextmanager
def left_runs_settled(workspace: Workspace, experiment: str) -> Iterator[None]:
    """Settle left runs, as `settle_left_runs` does, beside what the block does.

    :raises RegistryError: MLflow refused or did not answer.
    """
    with ThreadPoolExecutor(1) as beside:
        settled = beside.submit(settle_left_runs, workspace, experiment)
        try:
            yield
        finally:
            settled.result()


def _settle_left(mlflow_client: MlflowClient, run: Run, won: bool) -> None:
    died = run.info.status == "RUNNING"
    lost = "reaped" if died else "lost"
    mlflow_client.set_tag(run.info.run_id, COMMIT_TAG, "committed" if won else lost)
    if died or not won:
        mlflow_client.set_terminated(run.info.run_id, "FINISHED" if won else "KILLED")


@dataclass(frozen=True)
class NewRun:
    """A run to be opened in MLflow for an attempt at a decision.

    :param experiment: the name of the experiment.
    :param name: the name of the run.
    :param identity: the identity of the decision.
    :param tags: further tags of the run.
    :param objects: the object versions that it uses, logged as its datasets; of a single one the run's tags
        have the address.
    :param context: how the run uses the objects, such as `training`.
    """

    experiment: str
    name: str
    identity: Identity
    tags: Mapping[str, str]
    objects: Sequence[ObjectVersion] = ()
    context: str = ""


@contextmanager
def attempt(workspace: Workspace, new: NewRun) -> Iterator[str]:
    """One attempt at a decision as an MLflow run; yields the run's id.

    The run is tagged with the decision's identity: so a run that a killed attempt left is found and ended.

    :raises RegistryError: MLflow refused or did not answer.
    """
    import mlflow

    about = object_tags(new.objects[0]) if len(new.objects) == 1 else {}
    mine = {IDENTITY_TAG: new.identity.path, COMMIT_TAG: "pending"}
    with asking(f"Logging a run to experiment {new.experiment}", workspace.settings):
        mlflow_client = client(workspace.settings)
        found = ensure_experiment(mlflow_client, new.experiment)
        end_left_runs(mlflow_client, found, new.identity)
        tags = {**mine, **provenance(workspace), **about, **new.tags}
        with mlflow.start_run(experiment_id=found, run_name=new.name, tags=tags) as run:
            if new.objects:
                _log_datasets(new.objects, new.context)
            yield str(run.info.run_id)


def settle(workspace: Workspace, run_id: str, won: bool) -> None:
    """Mark a run as committed or lost.

    :param run_id: the run.
    :param won: whether the run's own attempt committed the decision.
    """
    mlflow_client = client(workspace.settings)
    mlflow_client.set_tag(run_id, COMMIT_TAG, "committed" if won else "lost")
    if not won:
        mlflow_client.set_terminated(run_id, "KILLED")


def provenance(workspace: Workspace) -> dict[str, str]:
    """Tags that say who made a run: owner, DAG, run, task and code version."""
    actor = workspace.actor
    return {
        "iris.owner": actor.owner,
        "iris.dag_id": actor.dag_id,
        "iris.dag_run_id": actor.run_id,
        "iris.task_id": actor.task_id,
        "iris.code_version": actor.code_version,
    }


def object_tags(version: ObjectVersion) -> dict[str, str]:
    """Tags that name the object version from which a run or model was made."""
    return {
        "iris.object.uri": version.uri,
        "iris.object.digest": version.digest,
        "iris.object.etag": version.etag,
    }


def _log_datasets(versions: Sequence[ObjectVersion], context: str) -> None:
    """Log object versions as the active run's datasets, in one request; `dataset.digest` is searchable."""
    import mlflow
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.data.meta_dataset import MetaDataset

    with quiet():
        datasets: list[Any] = []
        for version in versions:
            source: Any = resolve_dataset_source(f"s3://{version.bucket}/{version.key}")
            named = f"{context}_data"
            datasets.append(MetaDataset(source, name=named, digest=version.digest))  # type: ignore[abstract]
        count = len(datasets)
        mlflow.log_inputs(datasets, contexts=[context] * count, tags_list=[None] * count)
