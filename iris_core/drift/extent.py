"""How far values lie outside the reference's range, in standard deviations of the reference."""

from __future__ import annotations

from iris_core.drift.change import Change
from iris_core.drift.statistics import FeatureStatistics


def range_excess(reference: FeatureStatistics, current: FeatureStatistics, alpha: float) -> Change:
    """Distance of the current extreme from the reference's range, on the side that exceeds its noise more.

    A sample of m is not the range of what can come: another n rows go beyond it with probability
    n / (n + m). So the range is padded, on each side, to `c` times the extreme's distance from the mean. If
    the tail falls at least as fast as a fourth power, P(X > c·x) <= P(X > x) / c⁴, and as a row exceeds the
    highest of m others with probability 1 / (m + 1), some of n rows exceeds the padded range with probability
    at most n / ((m + 1)·c⁴). Solved for c at `alpha / 2` a side. Distribution-free otherwise: gamma,
    lognormal and Student's t with 5 degrees of freedom keep the level.
    """
    a, b = reference.moments, current.moments
    c = max(1.0, (b.n / ((a.n + 1) * alpha / 2)) ** 0.25)
    unit = reference.std or 1.0
    above = Change((b.highest - a.highest) / unit, (c - 1) * (a.highest - a.mean) / unit)
    below = Change((b.lowest - a.lowest) / unit, (c - 1) * (a.mean - a.lowest) / unit)
    outside = above if above.value - above.noise >= -below.value - below.noise else below
    inside = outside.value <= 0 if outside is above else outside.value >= 0
    return Change(0.0, outside.noise) if inside else outside
