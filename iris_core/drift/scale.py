"""Change of the standard deviation, as the logarithm of the ratio."""

from __future__ import annotations

from math import exp, log

from scipy import special

from iris_core.drift.change import Change
from iris_core.drift.permutation import permuted
from iris_core.drift.ranks import Pooled
from iris_core.drift.statistics import FeatureStatistics

NARROWEST = 1e-6
"""Ratios of standard deviations below this are reported as this: a constant has no logarithm."""
NORMAL_KURTOSIS = 3.0
LARGEST_BOUND = 1e300
"""F quantiles with a fraction of a degree of freedom are infinite in doubles."""


def std_ratio(reference: FeatureStatistics, current: FeatureStatistics, alpha: float, rows: Pooled) -> Change:
    """ln(std of current / std of reference) of all rows, with the noise of a two-sided test at level `alpha`.

    Its chance is that of the difference of the mean squared normal scores of the sampled rows (Klotz,
    "Nonparametric tests for scale", Annals of Mathematical Statistics 33, 1962; as powerful as the F test on
    normal data in large samples), which holds for every distribution. 1 when the two point in opposite
    directions.

    The noise is that of the F test with degrees of freedom corrected for kurtosis (Shoemaker, "Fixing the F
    test for equal variances", The American Statistician 57, 2003). Takes the largest of both samples'
    kurtosis, the pooled one and the normal's.
    """
    ratio = max((current.std or 0.0) / (reference.std or 1.0), NARROWEST)
    kurtosis = _kurtosis(reference, current)
    freedom = _freedom(current.count, kurtosis), _freedom(reference.count, kurtosis)
    # The lower quantile of F(a, b) is the reciprocal of the upper one of F(b, a).
    if ratio < 1:
        freedom = freedom[::-1]
    bound = float(special.fdtri(*freedom, 1 - alpha / 2))
    scored, chance = permuted(rows.squared_scores, rows.counts, rows.current)
    same_way = scored * log(ratio) > 0
    return Change(log(ratio), log(min(bound, LARGEST_BOUND)) / 2, chance if same_way else 1.0)


def wider(change: float) -> float:
    """The ratio of standard deviations that a value of `std_ratio` stands for."""
    return exp(change)


def _kurtosis(reference: FeatureStatistics, current: FeatureStatistics) -> float:
    a, b = reference.moments, current.moments
    pooled = (a.n + b.n) * ((a.m4 + b.m4) / (a.m2 + b.m2)) / (a.m2 + b.m2)
    return max(NORMAL_KURTOSIS, pooled, reference.kurtosis or 0.0, current.kurtosis or 0.0)


def _freedom(n: int, kurtosis: float) -> float:
    return 2 * n / (kurtosis - (n - 3) / (n - 1))
