"""Intervals for what holds of a model: their level, and Wilson's for a share."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

from iris_core.ledger.records.gate import Interval

LEVEL = 0.95
"""Of every interval. Of models that are worse by no more than the margin, at most 2.5 % are refused for the
overall difference, and 2.5 % for any class (Bonferroni)."""


def wilson_interval(right: int, rows: int, level: float) -> Interval:
    """Wilson's score interval for a share.

    Wilson, Journal of the American Statistical Association 22 (1927) 209.

    :raises ValueError: there are no rows.
    """
    if rows == 0:
        raise ValueError("no rows: no share")
    z, share = quantile(level), right / rows
    centre = share + z * z / (2 * rows)
    spread = z * sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    scale = 1 + z * z / rows
    return Interval(
        low=max(0.0, (centre - spread) / scale), high=min(1.0, (centre + spread) / scale), level=level
    )


def quantile(level: float) -> float:
    """The normal quantile of a two-sided level: 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + level) / 2)
