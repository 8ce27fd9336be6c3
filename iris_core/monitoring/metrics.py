"""A verdict as MLflow metrics: in its own run, and over time in the model's history run.

Names are stable: `severity` (0 none to 3 high, -1 insufficient), `current/{column}/mean` and so on, of a
category `current/{column}/share/{level}`, `reference/…`, `severity/{column}`, `missing_share/{column}`,
`evidently/{column}`. In the history run the
step is the second in which the batch landed, so logging a report again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from iris_core.drift.thresholds import Severity, rank
from iris_core.drift.verdict import DriftVerdict
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.models.history import ensure_history_run
from iris_core.models.mlflow_runs import log_metrics


def drift_metrics(verdict: DriftVerdict) -> Iterator[tuple[str, float]]:
    """Names and values of the metrics."""
    yield "severity", number(verdict.severity)
    yield "chance", verdict.chance
    for column in (*verdict.evidence, *verdict.whole):
        yield f"severity/{column.column}", number(column.severity)
    for test in verdict.evidently:
        if test.value is not None:
            yield f"evidently/{test.column}", float(test.value)
    short = verdict.shortened()
    for side, statistics in (("reference", short.reference), ("current", short.current)):
        for name, known in statistics.items():
            if side == "current" and known.rows:
                yield f"missing_share/{name}", known.missing / known.rows
            for what in ("mean", "std", "min", "max"):
                value = getattr(known, what)
                if value is not None:
                    yield f"{side}/{name}/{what}", float(value)
            for level, rows in (known.levels or {}).items():
                yield f"{side}/{name}/share/{level}", rows / known.count


def number(severity: Severity) -> float:
    """A severity as a number: -1 insufficient, 0 none, 1 low, 2 medium, 3 high."""
    return float(rank(severity) - rank("none"))


def log_history(workspace: Workspace, scored: ScoredRecord, verdict: DriftVerdict) -> str:
    """Add a verdict to the history run of its model; return the run's id.

    :param scored: the record of the scoring that was judged.
    :param verdict: the verdict on it.
    :raises RegistryError: MLflow refused or did not answer.
    """
    with tracking.asking("Logging the drift history", workspace.settings):
        client = tracking.client(workspace.settings)
        run_id = ensure_history_run(client, workspace, scored.model)
        log_metrics(client, run_id, drift_metrics(verdict), scored.about.landed_at)
    return run_id
