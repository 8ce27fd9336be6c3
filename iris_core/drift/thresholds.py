"""From a statistic's value to a level: the error rates given to each, and the sizes that matter."""

from __future__ import annotations

from math import log
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from iris_core.drift.change import Change

Severity = Literal["insufficient", "none", "low", "medium", "high"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
Term = Literal["missing", "infinite", "mean", "changed", "std", "range"]

MINIMUM_ROWS = 20
"""Fewer current or reference rows than this are not judged."""

ALPHA: dict[Term, float] = {
    "mean": 0.028,
    "std": 0.010,
    "range": 0.003,
    "missing": 0.003,
    "infinite": 0.001,
    "changed": 0.003,
}
"""Probability of a false alarm that each term may cause in one report, over all columns (Bonferroni).

`changed` stands in for mean, std and range where a column was constant. With `EVIDENTLY_ALPHA` they add up to
5 %. The mean has most of it: a shift is what happens most, and 0.2 sd at 1,000 rows must be seen.
"""

EVIDENTLY_ALPHA = 0.005
"""The same for all of Evidently's tests in one report together."""


PERFORMANCE_ALPHA = 0.04
"""The same for a verdict on performance, which is a report of its own; one-sided: only a loss drifts.

Below 5 %, because the bound is approximate where one side has far more rows than the other.
"""


class Thresholds(BaseModel):
    """Sizes from which a change is low, medium, high; None: this term never goes so far.

    Low: the change is beyond its noise, and at least this large. Medium and high: even after its noise is
    taken off, at least this is left, so a small sample cannot be severe by chance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    medium: float | None = None
    high: float | None = None


_SHARE = Thresholds(low=0.02, medium=0.05, high=0.20)
THRESHOLDS: dict[Term, Thresholds] = {
    "mean": Thresholds(low=0.1, medium=0.25, high=0.5),
    "std": Thresholds(low=log(1.1), medium=log(1.25), high=log(1.5)),
    "range": Thresholds(low=0.0, medium=10.0),
    "missing": _SHARE,
    "infinite": _SHARE,
    "changed": _SHARE,
}
"""mean: standard deviations of the reference. std: ln of the ratio. range: standard deviations beyond the
reference's range; a single row can cause it, so it is never high. The others: share of rows."""


PERFORMANCE = Thresholds(low=0.02, medium=0.05, high=0.10)
"""Share of rows: accuracy lost against the holdout."""


def level(change: Change, thresholds: Thresholds) -> Severity:
    """none, low, medium or high."""
    size = abs(change.value)
    sure = size - change.noise
    if sure <= 0 or size < thresholds.low:
        return "none"
    if thresholds.high is not None and sure >= thresholds.high:
        return "high"
    if thresholds.medium is not None and sure >= thresholds.medium:
        return "medium"
    return "low"


def rank(severity: Severity) -> int:
    """Position in insufficient < none < low < medium < high."""
    return SEVERITIES.index(severity)
