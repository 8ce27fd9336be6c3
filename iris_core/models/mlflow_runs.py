"""MLflow runs: one for each attempt at a decision, what is logged to it, and runs that dead attempts left.

A metric's name may hold the name of any column or class.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from iris_core.ledger import Identity, Ledger
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.store.objects import ObjectVersion

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

log = logging.getLogger(__name__)

IDENTITY_TAG = "iris.identity"
COMMIT_TAG = "iris.commit"
OBJECTS_TAG = "iris.objects"
"""How many objects share a run."""
OBJECTS = "objects.json"
"""The artifact of such a run: a table, whose column `scoring` has the paths of the decisions."""
LONGEST_NAME = 250
"""MLflow refuses longer names."""

NONE: Mapping[str, object] = MappingProxyType({})

_REFUSED = re.compile(r"[^/\w.\- :]|:(?=[0-9a-f]+:)")
_SEGMENT = re.compile(r"(?:(?<=/)|^)(?:\.{1,2})?(?=/|$)")


def end_left_runs(mlflow_client: MlflowClient, experiment: str, identity: Identity) -> int:
    """End the runs that killed attempts at the same decision left RUNNING; return their number.

    They are pending until `settle_runs` marks them: one that is under way elsewhere may still win.

    :param mlflow_client: MLflow's client.
    :param experiment: the id of the experiment.
    :param identity: the identity of the decision.
    """
    left = mlflow_client.search_runs(
        [experiment],
        f"attributes.status = 'RUNNING' and tags.`{IDENTITY_TAG}` = '{identity}'",
    )
    for run in left:
        mlflow_client.set_tag(run.info.run_id, COMMIT_TAG, "pending")
        mlflow_client.set_terminated(run.info.run_id, "KILLED")
        log.warning(
            "Ended MLflow run %s: an attempt at %s died, or is under way elsewhere.",
            run.info.run_id,
            identity,
        )
    return len(left)


def settle_runs(workspace: Workspace, experiment: str) -> None:
    """Mark the pending runs of an experiment whose decision has been made: as committed, or as lost.

    A run that the decision's record names is committed; any other run lost. A run that several decisions
    share is committed if the record of one names it, and lost once all are made. This is called after the
    work, for its own runs and those of attempts that died or lost, and before a search for work: a task that
    is killed after its commit leaves its run pending.

    :raises RegistryError: MLflow refused or did not answer.
    """
    with tracking.asking(f"Looking for pending runs of experiment {experiment}", workspace.settings):
        mlflow_client = tracking.client(workspace.settings)
        found = mlflow_client.get_experiment_by_name(experiment)
        if found is None:
            return
        unsettled = f"tags.`{COMMIT_TAG}` = 'pending'"
        for run in mlflow_client.search_runs([found.experiment_id], unsettled):
            won = _has_won(workspace.ledger, mlflow_client, run)
            if won is not None:
                _settle(mlflow_client, run, won)


@contextmanager
def runs_settled(workspace: Workspace, experiment: str) -> Iterator[None]:
    """Settle runs, as `settle_runs` does, beside what the block does.

    :raises RegistryError: MLflow refused or did not answer.
    """
    with ThreadPoolExecutor(1) as beside:
        settled = beside.submit(settle_runs, workspace, experiment)
        try:
            yield
        finally:
            settled.result()


def _has_won(ledger: Ledger, mlflow_client: MlflowClient, run: Run) -> bool | None:
    """Whether a record names a run; None while none does and a decision is open."""
    path = run.data.tags.get(IDENTITY_TAG)
    first = ledger.get(path) if path else None
    if first is None or first.run_id == run.info.run_id:
        return None if first is None else True
    shared = map(ledger.get, _sharing(mlflow_client, run))
    is_open = False
    for record in shared:
        if record and record.run_id == run.info.run_id:
            return True
        is_open = is_open or record is None
    return None if is_open else False


def _sharing(mlflow_client: MlflowClient, run: Run) -> list[str]:
    """Paths of the decisions that share a run. None is made before the run has the table of them."""
    import mlflow

    run_id = run.info.run_id
    if OBJECTS_TAG not in run.data.tags:
        return []
    if all(file.path != OBJECTS for file in mlflow_client.list_artifacts(run_id)):
        return []
    table = mlflow.artifacts.load_dict(f"runs:/{run_id}/{OBJECTS}")
    place = table["columns"].index("scoring")
    return [row[place] for row in table["data"]]


def _settle(mlflow_client: MlflowClient, run: Run, won: bool) -> None:
    died = run.info.status in ("RUNNING", "KILLED")
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
    with tracking.asking(f"Logging a run to experiment {new.experiment}", workspace.settings):
        mlflow_client = tracking.client(workspace.settings)
        found = tracking.ensure_experiment(mlflow_client, new.experiment)
        end_left_runs(mlflow_client, found, new.identity)
        tags = {**mine, **provenance(workspace), **about, **new.tags}
        with mlflow.start_run(experiment_id=found, run_name=new.name, tags=tags) as run:
            if new.objects:
                _log_datasets(new.objects, new.context)
            yield str(run.info.run_id)


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

    with warnings.catch_warnings(action="ignore"):
        datasets: list[Any] = []
        for version in versions:
            source: Any = resolve_dataset_source(f"s3://{version.bucket}/{version.key}")
            named = f"{context}_data"
            datasets.append(MetaDataset(source, name=named, digest=version.digest))  # type: ignore[abstract]
        count = len(datasets)
        mlflow.log_inputs(datasets, contexts=[context] * count, tags_list=[None] * count)


def metric_name(wanted: str) -> str:
    """The name that MLflow takes for a metric. `recall/<=50K` becomes `recall/:3c::3d:50K`.

    Characters that MLflow refuses are written as code points. Different names stay different. A name that is
    too long ends in a digest of the whole name.
    """
    name = _SEGMENT.sub(_spelt, _REFUSED.sub(_coded, wanted))
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: LONGEST_NAME - 13]}-{digest}"


def _coded(found: re.Match[str]) -> str:
    return "".join(f":{ord(character):x}:" for character in found[0])


def _spelt(found: re.Match[str]) -> str:
    """The code for a segment that MLflow would resolve: an empty one, `.` or `..`."""
    return _coded(found) or ":0:"


def log_metrics(
    client: MlflowClient, run_id: str, named: Iterable[tuple[str, float]], landed_at: datetime
) -> None:
    """Log metrics at the second in which an object landed as step, so logging them again changes nothing.

    :param client: MLflow's client.
    :param run_id: the run.
    :param named: name and value of each metric; a name may hold any characters (`metric_name`).
    :param landed_at: when the object landed.
    """
    from mlflow.entities import Metric

    step = int(landed_at.timestamp())
    client.log_batch(
        run_id, metrics=[Metric(metric_name(name), value, step * 1000, step) for name, value in named]
    )


def log_batch(
    client: MlflowClient,
    run_id: str,
    metrics: Mapping[str, float],
    parameters: Mapping[str, object] = NONE,
    tags: Mapping[str, object] = NONE,
) -> None:
    """Log to a run in one request.

    :param client: MLflow's client.
    :param run_id: the run.
    :param metrics: value by name, logged at the present; a name may hold any characters (`metric_name`).
    :param parameters: parameters of the run.
    :param tags: tags of the run.
    """
    from mlflow.entities import Metric, Param, RunTag

    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(metric_name(name), value, now, 0) for name, value in metrics.items()],
        params=[Param(name, str(value)) for name, value in parameters.items()],
        tags=[RunTag(name, str(value)) for name, value in tags.items()],
    )
