"""Share of the batch's rows that lie beyond the reference's lowest or highest value."""

from __future__ import annotations

import numpy as np
from scipy import special

from iris_core.drift.change import Change
from iris_core.drift.ranks import Pooled


def beyond_share(rows: Pooled, alpha: float) -> Change:
    """Rows beyond the reference's extremes, on the side with more of them; positive: above.

    k of n rows exceed all m rows of the reference when the k largest of all n + m are in the batch:
    probability C(n, k) / C(n + m, k), whatever the distribution (exceedances: Gumbel and von Schelling,
    Annals of Mathematical Statistics 21, 1950); ties make it smaller. Both sides: twice that.
    """
    known = np.flatnonzero(rows.reference)
    below, above = int(rows.current[: known[0]].sum()), int(rows.current[known[-1] + 1 :].sum())
    found = max(below, above)
    logs = _logarithms(rows.m, rows.n, found)
    noise = _needed(rows.m, rows.n, alpha) / rows.n
    return Change(
        found / rows.n if above >= below else -found / rows.n, noise, min(1.0, 2 * float(np.exp(logs)))
    )


def _logarithms(m: int, n: int, found: int) -> float:
    """ln of C(n, found) / C(n + m, found)."""
    terms = special.gammaln([n + 1, n + m - found + 1, n - found + 1, n + m + 1])
    return float(terms[0] + terms[1] - terms[2] - terms[3])


def _needed(m: int, n: int, alpha: float) -> int:
    """The fewest rows beyond whose probability is at most alpha; n + 1 if even all rows are too few."""
    low, high = 0, n + 1
    while low < high:
        middle = (low + high) // 2
        if middle > n or 2 * np.exp(_logarithms(m, n, middle)) <= alpha:
            high = middle
        else:
            low = middle + 1
    return low
