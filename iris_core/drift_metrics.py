"""A verdict as MLflow metrics: in its own run, and in the model's history run, whose charts show the course.

Names are stable: `severity` (0 none to 3 high, -1 insufficient), `current/{column}/mean` and so on,
`reference/…`, `severity/{column}`, `missing_share/{column}`, `evidently/{column}`. In the history run a step
is the second in which the batch landed, so that repeating a report changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from iris_core import tracking
from iris_core.drift.thresholds import Severity, rank
from iris_core.drift.verdict import DriftVerdict
from iris_core.ledger import Record
from iris_core.promotion import ModelRef
from iris_core.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

HISTORY_TAG = "iris.history"


def metrics(verdict: DriftVerdict) -> Iterator[tuple[str, float]]:
    """Name and value of everything that a chart can show."""
    yield "severity", number(verdict.severity)
    for column in verdict.evidence:
        yield f"severity/{column.column}", number(column.severity)
    for test in verdict.evidently:
        if test.value is not None:
            yield f"evidently/{test.column}", float(test.value)
    for side, statistics in (("reference", verdict.reference), ("current", verdict.current)):
        for name, known in statistics.items():
            if side == "current" and known.rows:
                yield f"missing_share/{name}", known.missing / known.rows
            for what in ("mean", "std", "min", "max"):
                value = getattr(known, what)
                if value is not None:
                    yield f"{side}/{name}/{what}", float(value)


def number(severity: Severity) -> float:
    """-1 insufficient, 0 none, 1 low, 2 medium, 3 high."""
    return float(rank(severity) - rank("none"))


def log_history(workspace: Workspace, scored: Record, verdict: DriftVerdict) -> str:
    """Add a verdict to the history run of its model; returns the run's id.

    :raises RegistryError: MLflow refused or did not answer.
    """
    from mlflow.entities import Metric

    landed = scored.object().landed_at
    step = int(landed.timestamp())
    points = [Metric(name, value, step * 1000, step) for name, value in metrics(verdict)]
    with tracking.told("Logging the drift history", workspace.settings):
        client = tracking.client(workspace.settings)
        run_id = history_run(client, workspace, ModelRef.model_validate(scored.inputs["model"]))
        client.log_batch(run_id, metrics=points)
    return run_id


def history_run(client: MlflowClient, workspace: Workspace, model: ModelRef) -> str:
    """The model's history run; finished at once, since nothing waits for its end."""
    experiment = tracking.experiment_id(client, workspace.settings.names.drift_experiment)
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
