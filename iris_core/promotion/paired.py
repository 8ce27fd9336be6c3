"""Statistics of two models' answers to the same rows: an exact test, and an interval for their difference."""

from __future__ import annotations

from math import sqrt

from iris_core.ledger.records.gate import Interval, Pairs
from iris_core.models.intervals import quantile

PRECISION = 1e-10


def exact_p_value(pairs: Pairs) -> float:
    """One-sided exact McNemar test: the chance of so many gained rows if gains and losses are equally likely.

    P(X ≥ better) with X ~ Binomial(better + worse, 1/2); 1 if both models are right on the same rows.
    McNemar, Psychometrika 12 (1947) 153; exact conditional form in Fagerland, Lydersen, Laake, BMC Medical
    Research Methodology 13 (2013) 91.
    """
    from scipy.special import betainc

    if pairs.better == 0:
        return 1.0
    return float(betainc(pairs.better, pairs.worse + 1, 0.5))


def score_interval(pairs: Pairs, level: float) -> Interval:
    """Tango's score interval for the difference of two paired shares, (better - worse) / rows.

    It holds its level on small holdouts with few or no differing answers, and lies below zero exactly if the
    McNemar score test rejects. Tango, Statistics in Medicine 17 (1998) 891; recommended in
    Fagerland, Lydersen, Laake, Statistics in Medicine 33 (2014) 2850.

    :param level: two-sided, such as 0.95.
    :raises ValueError: there are no rows.
    """
    if pairs.rows == 0:
        raise ValueError("no rows: nothing to compare")
    z = quantile(level)
    low = _crossing(pairs, z, -1.0, pairs.difference)
    high = _crossing(pairs, -z, pairs.difference, 1.0)
    return Interval(low=low, high=high, level=level)


def _crossing(pairs: Pairs, z: float, low: float, high: float) -> float:
    """The assumed difference at which the score statistic, which falls as the difference grows, passes z."""
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if _score_statistic(pairs, middle) > z else (low, middle)
    return (low + high) / 2


def _score_statistic(pairs: Pairs, difference: float) -> float:
    """The score statistic at an assumed difference; its variance comes from the constrained estimate."""
    n, better, worse = pairs.rows, pairs.better, pairs.worse
    b = -better - worse + (2 * n - better + worse) * difference
    c = -worse * difference * (1 - difference)
    losing = (sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * losing + difference * (1 - difference))
    distance = better - worse - n * difference
    if variance <= 0:
        return 0.0 if distance == 0 else distance * float("inf")
    return distance / sqrt(variance)


def detectable_loss(rows: int, level: float, margin: float) -> float:
    """The smallest share of lost rows, with none gained, that is shown to be more than the margin.

    1 if not even the loss of all rows would show it.

    :param rows: that are compared.
    :param level: of the interval.
    :param margin: the tolerated loss.
    """
    low, high = 0, rows
    while high - low > 1:
        middle = (low + high) // 2
        shown = score_interval(Pairs(rows=rows, better=0, worse=middle), level).high < -margin
        low, high = (low, middle) if shown else (middle, high)
    return high / rows
