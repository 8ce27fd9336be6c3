"""Change of the shares of a category's levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp

import numpy as np
from scipy import special

from iris_core.drift.change import Change
from iris_core.drift.hypergeometric import ALMOST, more_or_less
from iris_core.drift.mix import DRAWS, moved_share, share_of_draws, shares_by_chance
from iris_core.drift.ranks import Counts, Numbers
from iris_core.drift.share import share_difference

REST = "(rest)"
"""Stands for all levels that are not counted one by one."""
MOST_COMPARED = 200
"""If there are more levels, the rarest of both samples are compared as one."""
CANDIDATES = 8
"""So many levels, those farthest from what is expected, are tested alone."""
TOGETHER = 0.5
"""Share of the error rate for the levels together; the other half is for the levels one by one."""
MOST_ROWS = 500_000_000
"""More rows are judged as so many with the same shares: numpy draws from fewer than twice as many."""
MORE_DRAWS = 99_999
"""If none of the usual number of draws reaches the share that moved."""
NO_DRAW_REACHES = 1 / (1 + MORE_DRAWS)
SEED = 7

Levels = Mapping[str, int]


@dataclass(frozen=True)
class LevelChange:
    """Share of the rows that moved to other levels, and the level whose share changed most.

    `was` and `now` are that level's shares of the rows that have a value.
    """

    change: Change
    level: str
    was: float
    now: float


def level_change(reference: Levels, current: Levels, alpha: float) -> LevelChange:
    """Half the sum of the differences of the levels' shares, with the noise of a test at level `alpha`.

    Two tests share its chance, both exact, with rare levels as well. One is of the whole share
    (`mix.moved_share`). The other sees a level that moves alone among many: Fisher's test of each level,
    corrected for the number of levels that could move so far at all. With two levels Fisher's test says it
    all.

    :param reference: rows by level; at least one row.
    :param current: the same for the batch.
    :param alpha: the level of the noise.
    """
    names = _compared(reference, current)
    old, new = (_counts(side, names) for side in (reference, current))
    was, now = old / old.sum(), new / new.sum()
    moved = now - was
    # Of two levels that moved alike, the one that grew is named.
    most = int(np.argmax(np.abs(moved) + np.where(moved > 0, 1e-9, 0)))
    judge = _of_two if len(names) <= 2 else _of_several
    return LevelChange(judge(old, new, alpha), names[most], float(was[most]), float(now[most]))


def _compared(reference: Levels, current: Levels) -> list[str]:
    """The levels, most rows of both samples first; beyond `MOST_COMPARED` the rest is one."""
    both = {name: reference.get(name, 0) + current.get(name, 0) for name in {*reference, *current}}
    ordered = sorted((name for name in both if both[name]), key=lambda name: (-both[name], name))
    if len(ordered) <= MOST_COMPARED:
        return ordered
    return [*(name for name in ordered[: MOST_COMPARED - 1] if name != REST), REST]


def _counts(side: Levels, names: Sequence[str]) -> Counts:
    """Rows by level; what is not named belongs to the rest."""
    counts = {name: side.get(name, 0) for name in names}
    if REST in counts:
        counts[REST] += sum(side.values()) - sum(counts.values())
    return np.array([*counts.values()], dtype=np.int64)


def _of_two(old: Counts, new: Counts, alpha: float) -> Change:
    found = share_difference(int(old[0]), int(old.sum()), int(new[0]), int(new.sum()), alpha)
    return Change(abs(found.value), found.noise, found.chance)


def _of_several(old: Counts, new: Counts, alpha: float) -> Change:
    fewer = -(-int(old.sum() + new.sum()) // MOST_ROWS)
    old, new = old // fewer, new // fewer
    single = _of_one(old, new) / (1 - TOGETHER)
    share = moved_share(_by_place(old), _by_place(new), alpha, SEED)
    whole = share.chance
    if whole <= 1 / (1 + DRAWS):
        whole = min(whole, _bound(share.value, old, new))
    if NO_DRAW_REACHES < whole <= 1 / (1 + DRAWS) and single > NO_DRAW_REACHES:
        drawn = shares_by_chance(np.random.default_rng(SEED), old + new, int(new.sum()), MORE_DRAWS)
        whole = share_of_draws(drawn, share.value)
    return Change(share.value, share.noise, min(1.0, whole / TOGETHER, single))


def _by_place(side: Counts) -> dict[str, int]:
    return {str(place): int(rows) for place, rows in enumerate(side)}


def _of_one(old: Counts, new: Counts) -> float:
    """The chance that any level moves as unlikely far as one of them did.

    Bonferroni's bound, without the levels whose rows are too few to be so unlikely wherever they lie (Tarone,
    "A modified Bonferroni method for discrete data", Biometrics 46, 1990).
    """
    m, n = int(old.sum()), int(new.sum())
    surprise = np.abs(new - (old + new) * (n / (m + n))) / _deviations(old, new)
    places = np.argsort(-surprise)[:CANDIDATES]
    least = min(more_or_less(int(old[place]), m, int(new[place]), n) for place in places)
    return least * int((_least_chances(old + new, m, n) <= least * ALMOST).sum())


def _least_chances(rows: Counts, m: int, n: int) -> Numbers:
    """The smallest probability that a level with so many rows can have: all, or as many as possible, on one
    side."""
    drawn = special.gammaln(m + n + 1) - special.gammaln(n + 1) - special.gammaln(m + 1)
    most = [np.minimum(rows, n), np.maximum(rows - m, 0)]
    logs = [_ways(rows, found) + _ways(m + n - rows, n - found) - drawn for found in most]
    return np.asarray(np.exp(np.minimum(*logs)), np.float64)


def _ways(rows: Counts, drawn: Counts) -> Numbers:
    """ln of the number of ways to draw so many of the rows."""
    return np.asarray(
        special.gammaln(rows + 1) - special.gammaln(drawn + 1) - special.gammaln(rows - drawn + 1)
    )


def _deviations(old: Counts, new: Counts) -> Numbers:
    """Standard deviation of each level's rows in the batch, if chance draws the batch from all rows."""
    m, n = int(old.sum()), int(new.sum())
    share = (old + new) / (m + n)
    return np.asarray(np.sqrt(np.maximum(n * share * (1 - share) * m / (m + n - 1), 1e-300)))


def _bound(value: float, old: Counts, new: Counts) -> float:
    """An upper bound of the probability of a share this large, for what no number of draws can show.

    The share changes by at most 1/m + 1/n if two rows change sides (El-Yaniv and Pechyony, "Transductive
    Rademacher complexity", COLT 2007, lemma 2); its mean is at most half the sum of the levels' deviations.
    """
    m, n = int(old.sum()), int(new.sum())
    rows, step = m + n, 1 / m + 1 / n
    beyond = value - float(_deviations(old, new).sum()) * step / 2
    if beyond <= 0:
        return 1.0
    exponent = 2 * beyond**2 * (rows - 0.5) / (m * n * step**2) * (1 - 1 / (2 * max(m, n)))
    return exp(-exponent)
