"""Change of the shares in which the classes are predicted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from iris_core.drift.change import Change

DRAWS = 9_999


def moved_share(reference: Mapping[str, int], current: Mapping[str, int], alpha: float, seed: int) -> Change:
    """Share of the rows that would have to change their class: half the sum of the shares' differences.

    Its chance, and the size that chance allows, by a permutation test on the table of counts: exact for any
    number of classes, rare ones included.

    :param reference: rows by predicted class.
    :param current: the same for the batch.
    """
    classes = sorted({*reference, *current})
    old, new = (np.array([side.get(name, 0) for name in classes]) for side in (reference, current))
    m, n = int(old.sum()), int(new.sum())
    value = float(np.abs(new / n - old / m).sum()) / 2
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(old + new, n, DRAWS, method="marginals")
    by_chance = np.abs(drawn / n - (old + new - drawn) / m).sum(axis=1) / 2
    reached = int((by_chance >= value - 1e-12).sum())
    return Change(value, float(np.quantile(by_chance, 1 - alpha)), (1 + reached) / (1 + DRAWS))
