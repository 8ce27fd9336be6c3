"""Change of the shares in which the classes are predicted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from iris_core.drift.change import Change
from iris_core.drift.ranks import Counts, Numbers

FEW, DRAWS = 199, 9_999
SURELY_CHANCE = 0.05
"""If the first few draws give a larger chance than this, no more are drawn."""
AT_ONCE = 500_000
"""Most counts that are drawn at once."""


def moved_share(reference: Mapping[str, int], current: Mapping[str, int], alpha: float, seed: int) -> Change:
    """Share of the rows that would have to change their class: half the sum of the shares' differences.

    Chance and noise come from a permutation test on the table of counts: exact for any number of classes,
    rare ones included.

    :param reference: rows by predicted class.
    :param current: the same for the batch.
    :param alpha: the level of the noise.
    :param seed: of the permutations.
    """
    classes = sorted({*reference, *current})
    old, new = (np.array([side.get(name, 0) for name in classes]) for side in (reference, current))
    m, n = int(old.sum()), int(new.sum())
    value = float(np.abs(new / n - old / m).sum()) / 2
    generator = np.random.default_rng(seed)
    for draws in (FEW, DRAWS):
        by_chance = shares_by_chance(generator, old + new, n, draws)
        chance = share_of_draws(by_chance, value)
        if chance > SURELY_CHANCE:
            break
    return Change(value, float(np.quantile(by_chance, 1 - alpha)), chance)


def shares_by_chance(generator: np.random.Generator, counts: Counts, n: int, draws: int) -> Numbers:
    """The share that moves in each of so many draws of n rows from all.

    :param generator: draws the rows.
    :param counts: rows of both sides, by class.
    :param n: rows of the batch.
    :param draws: how many.
    """
    return np.concatenate([*_drawn(generator, counts, n, draws)])


def share_of_draws(by_chance: Numbers, value: float) -> float:
    """The chance of a share: of the draws, itself included, those that reach it."""
    return (1 + int((by_chance >= value - 1e-12).sum())) / (1 + len(by_chance))


def _drawn(generator: np.random.Generator, counts: Counts, n: int, draws: int) -> Iterator[Numbers]:
    m, most = int(counts.sum()) - n, max(1, AT_ONCE // len(counts))
    for start in range(0, draws, most):
        drawn = generator.multivariate_hypergeometric(counts, n, min(most, draws - start), method="marginals")
        yield np.abs(drawn / n - (counts - drawn) / m).sum(axis=1) / 2
