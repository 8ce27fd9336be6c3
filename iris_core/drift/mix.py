"""Change of the shares in which the classes are predicted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from iris_core.drift.change import Change

FEW, DRAWS = 199, 9_999
SURELY_CHANCE = 0.05
"""If the first few draws give a larger chance than this, no more are drawn."""


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
        drawn = generator.multivariate_hypergeometric(old + new, n, draws, method="marginals")
        by_chance = np.abs(drawn / n - (old + new - drawn) / m).sum(axis=1) / 2
        chance = (1 + int((by_chance >= value - 1e-12).sum())) / (1 + draws)
        if chance > SURELY_CHANCE:
            break
    return Change(value, float(np.quantile(by_chance, 1 - alpha)), chance)
