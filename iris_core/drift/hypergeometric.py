"""Fisher's exact test: how likely chance puts so many of the marked rows into the batch."""

from __future__ import annotations

import numpy as np
from scipy import special


def at_least(found: int, marked: int, drawn: int, rows: int) -> float:
    """P(of `drawn` of `rows` rows, of which `marked` are marked, `found` or more are marked ones).

    The tail of the hypergeometric distribution (Fisher, The Design of Experiments, 1935, chapter 2).
    """
    lowest, highest = max(0, drawn + marked - rows), min(marked, drawn)
    if found <= lowest:
        return 1.0
    if found > highest:
        return 0.0
    k = np.arange(found, highest + 1, dtype=np.float64)
    logs = _choose(marked, k) + _choose(rows - marked, drawn - k) - _choose(rows, np.float64(drawn))
    return min(1.0, float(np.exp(logs).sum()))


def more_or_less(reference: int, m: int, current: int, n: int) -> float:
    """Two-sided probability that shares of marked rows differ so much: twice the smaller tail."""
    marked, rows = reference + current, m + n
    above = at_least(current, marked, n, rows)
    below = at_least(reference, marked, m, rows)
    return min(1.0, 2 * min(above, below))


def _choose(n: int, k: np.ndarray | np.float64) -> np.ndarray:
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))
