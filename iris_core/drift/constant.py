"""Change of a column that was constant: the share of rows that differ from the one value."""

from __future__ import annotations

from iris_core.drift.change import Change
from iris_core.drift.share import share_difference
from iris_core.drift.statistics import FeatureStatistics


def differing_share(statistics: FeatureStatistics, value: float) -> float:
    """The least share of a column's values that differ from `value`, by its moments and range.

    Cauchy-Schwarz, for the deviations y from `value`: (E y)² <= share · E y², (E y²)² <= share · E y⁴.
    """
    moments = statistics.moments
    if not moments.lowest <= value <= moments.highest:
        return 1.0
    shift = moments.mean - value
    m2, m3, m4 = moments.m2 / moments.n, moments.m3 / moments.n, moments.m4 / moments.n
    square = shift**2 + m2
    fourth = shift**4 + 6 * shift**2 * m2 + 4 * shift * m3 + m4
    if not square or fourth <= 0:
        return 0.0
    return min(1.0, max(shift**2 / square, square * (square / fourth)))


def changed_share(reference: FeatureStatistics, current: FeatureStatistics, alpha: float) -> Change:
    """Share of rows that left the reference's only value, at least; positive when the mean went up."""
    was, now = reference.mean or 0.0, current.mean or 0.0
    share = differing_share(current, was)
    change = share_difference(0, reference.count, share * current.count, current.count, alpha)
    return change if now >= was else Change(-change.value, change.noise)
