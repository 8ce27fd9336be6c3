"""Shift of the mean, in standard deviations of the reference."""

from __future__ import annotations

from math import copysign, sqrt

from scipy import special

from iris_core.drift.change import Change
from iris_core.drift.permutation import permuted
from iris_core.drift.ranks import Pooled
from iris_core.drift.statistics import FeatureStatistics


def mean_shift(
    reference: FeatureStatistics, current: FeatureStatistics, alpha: float, rows: Pooled
) -> Change:
    """Standardised mean difference of all rows, with the noise of a two-sided test at level `alpha`.

    Its chance is that of the difference of the mean normal scores of the sampled rows (van der Waerden 1952;
    Chernoff and Savage, Annals of Mathematical Statistics 29, 1958: against a shift never less powerful than
    the t test, in large samples), which holds for every distribution: `permutation`. It is 1 if means
    and scores point in opposite directions: then an outlier moved the mean, or the ranks.
    """
    value, noise = standardised(reference, current, alpha)
    scored, chance = permuted(rows.normal_scores, rows.counts, rows.current)
    return Change(value, noise, chance if scored * value > 0 else 1.0)


def standardised(
    reference: FeatureStatistics, current: FeatureStatistics, alpha: float
) -> tuple[float, float]:
    """Standardised mean difference, and the size that a two-sided test at level `alpha` allows in its
    direction.

    Student's t with the pooled variance (under "no drift" the variances are equal; Snedecor and Cochran,
    Statistical Methods, 8th ed., 6.9), widened on the side to which skewness stretches the mean's
    distribution: first term of the Cornish-Fisher expansion (Johnson, "Modified t tests and confidence
    intervals for asymmetrical populations", JASA 73, 1978). Never narrowed.
    """
    value, error, stretch = _shift(reference, current)
    t = -float(special.stdtrit(reference.count + current.count - 2, alpha / 2))
    return value, (t + stretch * (t**2 - 1)) * error


def student_chance(reference: FeatureStatistics, current: FeatureStatistics) -> float:
    """The level at which the same test allows exactly the difference that was found."""
    value, error, stretch = _shift(reference, current)
    wanted = abs(value) / error + stretch  # = t + stretch · t²
    t = 2 * wanted / (1 + sqrt(1 + 4 * stretch * wanted))
    return 2 * float(special.stdtr(reference.count + current.count - 2, -t))


def _shift(reference: FeatureStatistics, current: FeatureStatistics) -> tuple[float, float, float]:
    """Standardised mean difference, its standard error, and how far skewness stretches its distribution."""
    a, b = reference.moments, current.moments
    pooled = a.m2 + b.m2
    precision = 1 / a.n + 1 / b.n
    skewness = sqrt(a.n + b.n) * ((a.m3 + b.m3) / pooled) / sqrt(pooled)
    skewness *= (1 / b.n**2 - 1 / a.n**2) / precision**1.5
    std = reference.std or 1.0
    value = (b.mean - a.mean) / std
    error = sqrt(pooled / (a.n + b.n - 2) * precision)
    return value, error / std, max(0.0, copysign(skewness, skewness * value)) / 6
