"""Logs a model version's performance on labels to MLflow: to its training run, version and history run.

The metrics are `labels/accuracy`, `labels/rows`, `labels/precision/{class}` and `labels/recall/{class}`. The
step is the second in which the labels landed, so logging them again changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from iris_core.ledger import ModelRef
from iris_core.ledger.records.performance import ModelPerformance
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.models.history import ensure_history_run
from iris_core.models.mlflow_runs import log_metrics
from iris_core.store.objects import ObjectVersion

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)


def performance_metrics(found: ModelPerformance) -> Iterator[tuple[str, float]]:
    """Names and values of the metrics."""
    yield "labels/accuracy", found.accuracy
    yield "labels/rows", float(found.joined)
    for name, one in found.per_class.items():
        for what, value in (("precision", one.precision), ("recall", one.recall)):
            if value is not None:
                yield f"labels/{what}/{name}", value


def log_performance(workspace: Workspace, labels: ObjectVersion, found: ModelPerformance) -> str:
    """Log the performance of a model version; return the id of the model's history run.

    A training run or a version that has been deleted meanwhile is skipped.

    :param labels: the object version with the labels.
    :param found: the performance, and the model version.
    :raises RegistryError: MLflow refused or did not answer.
    """
    model, named = found.model, dict(performance_metrics(found))
    with tracking.asking("Logging performance on labels", workspace.settings):
        client = tracking.client(workspace.settings)
        run_id = ensure_history_run(client, workspace, model)
        log_metrics(client, run_id, named.items(), labels.landed_at)
        client.log_dict(run_id, {"rows_are_actual": found.agreement}, f"labels/{labels.digest}.json")
        if model.run_id:
            tracking.unless_gone(lambda: log_metrics(client, model.run_id, named.items(), labels.landed_at))
        tracking.unless_gone(lambda: _tag(client, model, labels, found))
    return run_id


def _tag(client: MlflowClient, model: ModelRef, labels: ObjectVersion, found: ModelPerformance) -> None:
    tags = {
        "iris.labels.accuracy": f"{found.accuracy:.4f}",
        "iris.labels.rows": str(found.joined),
        "iris.labels.uri": labels.uri,
    }
    for name, value in tags.items():
        client.set_model_version_tag(model.name, str(model.version), name, value)
