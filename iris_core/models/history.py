"""A model's history run in MLflow, whose charts show the course of its drift and performance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iris_core.ledger import ModelRef
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

HISTORY_TAG = "iris.history"


def ensure_history_run(client: MlflowClient, workspace: Workspace, model: ModelRef) -> str:
    """The model's history run; finished at once, since nothing waits for its end."""
    experiment = tracking.ensure_experiment(client, workspace.settings.names.drift_experiment)
    if not _found(client, experiment, model):
        client.create_run(
            experiment,
            run_name=f"history of {model.name} version {model.version}",
            tags={HISTORY_TAG: model.variant, **tracking.provenance(workspace)},
        )
    found = _found(client, experiment, model)
    # Also one that a killed task created, and did not come to finish.
    for run in found:
        if run.info.status == "RUNNING":
            client.set_terminated(run.info.run_id)
    return str(found[0].info.run_id)


def _found(client: MlflowClient, experiment: str, model: ModelRef) -> list[Run]:
    """Two that were created at once are told apart by age: everybody takes the oldest."""
    runs = client.search_runs([experiment], f"tags.`{HISTORY_TAG}` = '{model.variant}'")
    return sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))
