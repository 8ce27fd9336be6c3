"""Difference of two shares of rows: missing values, infinite values."""

from __future__ import annotations

from math import hypot

from scipy import special

from iris_core.drift.change import Change


def share_difference(reference: float, m: int, current: float, n: int, alpha: float) -> Change:
    """Share of `current` in `n` rows minus share of `reference` in `m` rows, two-sided at level `alpha`.

    The bound joins the two shares' exact intervals (Clopper and Pearson, Biometrika 26, 1934) into one for
    their difference (MOVER: Zou and Donner, Statistics in Medicine 27, 2008). Wilson's intervals, usual
    here, alarm on a single missing value among 50 rows.
    """
    was, now = reference / m, current / n
    if now >= was:
        noise = hypot(now - _lower(current, n, alpha / 2), _upper(reference, m, alpha / 2) - was)
    else:
        noise = hypot(was - _lower(reference, m, alpha / 2), _upper(current, n, alpha / 2) - now)
    return Change(now - was, noise)


def _lower(successes: float, n: int, alpha: float) -> float:
    return float(special.betaincinv(successes, n - successes + 1, alpha)) if successes else 0.0


def _upper(successes: float, n: int, alpha: float) -> float:
    return 1 - _lower(n - successes, n, alpha)
