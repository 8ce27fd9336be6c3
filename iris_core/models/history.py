"""A model's history run in MLflow, whose charts show its drift and performance over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iris_core.ledger import ModelRef
from iris_core.ledger.workspace import Workspace
from iris_core.models import mlflow_runs, tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

HISTORY_TAG = "iris.history"


def ensure_history_run(client: MlflowClient, workspace: Workspace, model: ModelRef) -> str:
    """The id of the model's history run, which is created if there is none.

    The run is finished at once, since nothing waits for its end.

    :param client: MLflow's client.
    :param workspace: names the experiment, and who creates the run.
    :param model: the model version.
    """
    experiment = tracking.ensure_experiment(client, workspace.settings.names.drift_experiment)
    if not _found(client, experiment, model):
        client.create_run(
            experiment,
            run_name=f"history of {model.name} version {model.version}",
            tags={HISTORY_TAG: model.variant, **mlflow_runs.provenance(workspace)},
        )
    found = _found(client, experiment, model)
    # A killed task may have created a run without finishing it.
    for run in found:
        if run.info.status == "RUNNING":
            client.set_terminated(run.info.run_id)
    return str(found[0].info.run_id)


def _found(client: MlflowClient, experiment: str, model: ModelRef) -> list[Run]:
    """The model's history runs, oldest first: if two were created at once, everybody takes the oldest."""
    runs = client.search_runs([experiment], f"tags.`{HISTORY_TAG}` = '{model.variant}'")
    return sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))
