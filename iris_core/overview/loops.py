"""How long the last loops took: from an object's landing to its decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from iris_core.overview.drifting import DriftPoint
from iris_core.overview.scorings import ScoredTable
from iris_core.overview.trace import Shown

WHOLE = timedelta(seconds=1)
"""The time at which an object landed has no fractions of a second."""


class LoopTime(Shown):
    """Seconds from a table's landing to its predictions, and to its drift verdict (None without one)."""

    object: str
    scoring: str
    verdict: str
    to_predictions: float
    to_verdict: float | None


def loop_times(
    tables: Sequence[ScoredTable], points: Iterable[DriftPoint], staged: Mapping[int, datetime]
) -> list[LoopTime]:
    """The last loops, newest first: of tables that landed after their model was staged.

    A table that a newly staged model scores again has waited for the model: that is no latency. A version
    that was staged before the first of `staged` counts as staged for long.

    :param tables: the last scorings.
    :param points: the last drift verdicts.
    :param staged: when versions were staged.
    """
    verdicts = {point.trace.object: point for point in points if not point.is_about_performance}
    return [
        _time(table, landed, verdicts.get(table.trace.object))
        for table in tables
        if (landed := table.trace.landed_at) and landed + WHOLE >= staged.get(table.version, landed)
    ]


def _time(table: ScoredTable, landed: datetime, verdict: DriftPoint | None) -> LoopTime:
    if verdict and (verdict.version != table.version or verdict.trace.at < table.trace.at):
        verdict = None
    return LoopTime(
        object=table.trace.object,
        scoring=table.trace.record,
        verdict=verdict.trace.record if verdict else "",
        to_predictions=max(0.0, (table.trace.at - landed).total_seconds()),
        to_verdict=max(0.0, (verdict.trace.at - landed).total_seconds()) if verdict else None,
    )
