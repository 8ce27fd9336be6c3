"""The error rates of the terms, the sizes that matter, and the level of a change by them."""

from __future__ import annotations

from math import log
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from iris_core.drift.change import Change

Severity = Literal["insufficient", "none", "low", "medium", "high"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
Term = Literal[
    "missing",
    "infinite",
    "mean",
    "changed",
    "levels",
    "std",
    "range",
    "shape",
    "recent",
    "joint",
    "mix",
    "accuracy",
    "rejected",
]

MINIMUM_ROWS = 20
"""Fewer current or reference rows than this are not judged."""

LEVEL = 0.05
"""Probability of a false alarm of a whole report."""

SURE = 0.2
"""Medium and high need a chance of at most this share of a term's alpha: 1 % for the whole report."""

ALPHA: dict[Term, float] = {
    "mean": 0.0285,
    "std": 0.0065,
    "shape": 0.0045,
    "range": 0.0015,
    "missing": 0.003,
    "infinite": 0.0003,
    "recent": 0.0007,
    "joint": 0.003,
    "mix": 0.0012,
    "accuracy": 0.0005,
    "rejected": 0.0003,
    "changed": 0.007,
    "levels": 0.041,
}
"""Probability of a false alarm that each term may cause in one report, over all columns (Bonferroni).

`changed` stands in for mean, std, shape and range where a column was constant, and `levels` where it is a
category or a truth value; so any mixture of columns adds up to at most `LEVEL`.
The mean has most of it: a shift is what happens most, and 0.2 sd at 1,000 rows must be seen.
"""

PERFORMANCE_ALPHA = 0.04
"""The same for a verdict on performance, which is a report of its own; one-sided: only a loss drifts."""


class Thresholds(BaseModel):
    """Sizes from which a change is low, medium, high; None: this term never gets that level.

    Low: the change is beyond chance and at least this large. Medium and high: the change less its noise is at
    least this large, so a small sample cannot be severe by chance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    medium: float | None = None
    high: float | None = None


_SHARE = Thresholds(low=0.02, medium=0.05, high=0.20)
_MEAN = Thresholds(low=0.1, medium=0.25, high=0.5)
_MOVED = Thresholds(low=0.05, medium=0.1, high=0.25)
PERFORMANCE = Thresholds(low=0.02, medium=0.05, high=0.10)
"""Share of rows: accuracy lost against the holdout."""

THRESHOLDS: dict[Term, Thresholds] = {
    "mean": _MEAN,
    "std": Thresholds(low=log(1.1), medium=log(1.25), high=log(1.5)),
    "shape": Thresholds(low=0.04, medium=0.1, high=0.2),
    "range": Thresholds(low=0.0, medium=0.05, high=0.20),
    "missing": _SHARE,
    "infinite": _SHARE,
    "changed": _SHARE,
    "recent": _MEAN,
    "joint": Thresholds(low=0.0, medium=0.5, high=1.0),
    "levels": _MOVED,
    "mix": _MOVED,
    "accuracy": PERFORMANCE,
    "rejected": _SHARE,
}
"""mean: standard deviations of the reference. recent: the same of normal scores. std: ln of the ratio. shape:
distance of the distribution functions, 0.04 as after a shift of 0.1 standard deviations of normal data.
joint: change of a correlation. The others: share of rows."""


def level(change: Change, thresholds: Thresholds, alpha: float) -> Severity:
    """none, low, medium or high.

    :param change: the change.
    :param thresholds: the sizes of its term.
    :param alpha: the largest chance that counts as beyond chance.
    """
    size = abs(change.value)
    sure = size - change.noise
    if change.chance > alpha or size < thresholds.low:
        return "none"
    if change.chance > SURE * alpha:
        return "low"
    if thresholds.high is not None and sure >= thresholds.high:
        return "high"
    if thresholds.medium is not None and sure >= thresholds.medium:
        return "medium"
    return "low"


def rank(severity: Severity) -> int:
    """Position in insufficient < none < low < medium < high."""
    return SEVERITIES.index(severity)
