"""Difference of two shares of rows: missing, infinite, rejected, wrong answers."""

from __future__ import annotations

from math import hypot

from scipy import special

from iris_core.drift.change import Change
from iris_core.drift.hypergeometric import at_least, more_or_less


def share_difference(reference: int, m: int, current: int, n: int, alpha: float) -> Change:
    """Share of `current` in `n` rows minus share of `reference` in `m` rows, two-sided at level `alpha`.

    Its chance is Fisher's (`hypergeometric`). The noise joins the two shares' exact intervals (Clopper and
    Pearson, Biometrika 26, 1934) into one for their difference (MOVER: Zou and Donner, Statistics in Medicine
    27, 2008).
    """
    was, now = reference / m, current / n
    if now >= was:
        noise = hypot(now - _lower(current, n, alpha / 2), _upper(reference, m, alpha / 2) - was)
    else:
        noise = hypot(was - _lower(reference, m, alpha / 2), _upper(current, n, alpha / 2) - now)
    return Change(now - was, noise, more_or_less(reference, m, current, n))


def share_increase(reference: int, m: int, current: int, n: int, alpha: float) -> Change:
    """The same one-sided: only more than before counts."""
    both = share_difference(reference, m, current, n, 2 * alpha)
    return Change(both.value, both.noise, at_least(current, reference + current, n, m + n))


def _lower(successes: int, n: int, alpha: float) -> float:
    return float(special.betaincinv(successes, n - successes + 1, alpha)) if successes else 0.0


def _upper(successes: int, n: int, alpha: float) -> float:
    return 1 - _lower(n - successes, n, alpha)
