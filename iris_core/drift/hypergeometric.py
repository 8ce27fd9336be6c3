"""Fisher's exact test: how likely chance puts so many of the marked rows into the batch."""

from __future__ import annotations

from math import ceil, floor, sqrt

import numpy as np
from scipy import special

FARTHEST = 40.0
"""Standard deviations from the mean; beyond, probabilities are below what a double holds."""
ALMOST = 1 + 1e-7
"""What is as likely as what was found, up to rounding."""


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
    return min(1.0, float(np.exp(_logarithms(k, marked, drawn, rows)).sum()))


def more_or_less(reference: int, m: int, current: int, n: int) -> float:
    """Two-sided probability: of all shares of marked rows that are no more likely than the one found."""
    marked, rows = reference + current, m + n
    share = marked / rows
    mean = n * share
    far = FARTHEST * sqrt(mean * (1 - share) * m / max(1, rows - 1)) + 1
    lowest, highest = max(0, marked - m, ceil(mean - far)), min(marked, n, floor(mean + far))
    if not lowest <= current <= highest:
        return 0.0
    logs = _logarithms(np.arange(lowest, highest + 1, dtype=np.float64), marked, n, rows)
    chances = np.exp(logs)
    return min(1.0, float(chances[chances <= chances[current - lowest] * ALMOST].sum()))


def _logarithms(found: np.ndarray, marked: int, drawn: int, rows: int) -> np.ndarray:
    """ln of the probability of each number of marked rows among the drawn ones."""
    rest = _choose(rows - marked, drawn - found) - _choose(rows, np.float64(drawn))
    return np.asarray(_choose(marked, found) + rest)


def _choose(n: int, k: np.ndarray | np.float64) -> np.ndarray:
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))
