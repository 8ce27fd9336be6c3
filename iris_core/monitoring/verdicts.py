"""Drift verdicts as the ledger holds them: which model, in which order, and what N of M says of each.

Batches are ordered by when they landed, not by when somebody came to judge them: reports are made side by
side and late, and whoever reads them must come to the same alerts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby, islice
from typing import Any, NamedTuple

from iris_core.drift.debounce import Debounced, counted, debounced
from iris_core.drift.known import Earlier
from iris_core.drift.statistics import FeatureStatistics
from iris_core.drift.thresholds import SEVERITIES, Severity
from iris_core.ledger.ledger import Record
from iris_core.ledger.workspace import Workspace
from iris_core.models.registry import ModelRef
from iris_core.settings.variables import Settings

LOOKED_THROUGH = 200
"""As many of the newest verdicts are read; a window of N of M that reaches further back is cut."""

BATCH = "verdict"
PERFORMANCE = "performance"

Order = tuple[str, str]


class Series(NamedTuple):
    """Verdicts that are counted together by N of M: of one model, on its batches or on its performance."""

    model: str
    about: str = BATCH


def series_of(record: Record) -> Series:
    """The series that a verdict belongs to."""
    about = PERFORMANCE if record.variant.startswith(PERFORMANCE) else BATCH
    return Series(model_of(record), about)


def model_of(record: Record) -> str:
    """The short identity of the model whose scoring was judged."""
    return ModelRef.model_validate(record.inputs["model"]).variant


def order_of(current: dict[str, Any], path: str) -> Order:
    """A batch's place among others: when it landed, then its record's path."""
    return datetime.fromisoformat(current["landed_at"]).isoformat(), path


def severity_of(record: Record) -> Severity:
    """The outcome of a drift record."""
    return next(level for level in SEVERITIES if level == record.outcome)


def recent(workspace: Workspace) -> list[Record]:
    """The newest verdicts that name their model, in their batches' order, oldest first."""
    found = islice(workspace.ledger.recent("drift"), LOOKED_THROUGH)
    return sorted((record for record in found if "model" in record.inputs), key=_order)


def _order(record: Record) -> Order:
    return order_of(record.inputs["current"], record.identity.path)


def counted_severity(settings: Settings, record: Record) -> Severity:
    """The severity of a drift record as alerts count it; a record from before chances were kept counts as it
    is.
    """
    chance = float(record.evidence.get("chance", 0.0))
    return counted(severity_of(record), chance, settings.drift_violations)


def judged(settings: Settings, severities: Sequence[Severity]) -> Debounced:
    """N of M, as `DRIFT_WINDOW`, `DRIFT_VIOLATIONS` and `DRIFT_ALERT_SEVERITY` say."""
    return debounced(
        severities, settings.drift_window, settings.drift_violations, settings.drift_alert_severity
    )


def earlier(workspace: Workspace, series: Series, order: Order) -> list[Earlier]:
    """The batches of a model that landed before, as far as their verdicts keep their scores; oldest first."""
    before = [r for r in recent(workspace) if series_of(r) == series and _order(r) < order]
    return [
        Earlier(
            {name: FeatureStatistics.model_validate(one) for name, one in record.evidence["scores"].items()},
            is_judged=record.outcome != "insufficient",
        )
        for record in before
        if record.evidence.get("scores")
    ]


def with_debounce(workspace: Workspace) -> list[tuple[Record, Debounced]]:
    """The newest verdicts, each with what N of M says of it and those before it of the same series."""
    told: list[tuple[Record, Debounced]] = []
    for _, group in groupby(sorted(recent(workspace), key=series_of), key=series_of):
        records = list(group)
        severities = [counted_severity(workspace.settings, record) for record in records]
        told += [
            (record, judged(workspace.settings, severities[: place + 1]))
            for place, record in enumerate(records)
        ]
    return sorted(told, key=lambda item: _order(item[0]))


def debounced_now(
    workspace: Workspace, series: Series, order: Order, severity: Severity, chance: float
) -> Debounced:
    """What N of M says of a verdict about to be recorded, by those that are."""
    settings = workspace.settings
    before = [r for r in recent(workspace) if series_of(r) == series and _order(r) < order]
    newest = counted(severity, chance, settings.drift_violations)
    return judged(settings, [*(counted_severity(settings, record) for record in before), newest])
