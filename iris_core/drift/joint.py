"""Compares how the features go together: maximum mean discrepancy of whole rows.

Gretton, Borgwardt, Rasch, Schölkopf, Smola, "A kernel two-sample test", JMLR 13, 2012, on normal scores of
the pooled rows, so no tail of a single column dominates. Two kernels are added, each scaled to its size under
chance: the products of any two columns (correlations, at 100 columns as well), and a Gaussian of
half the median distance (any other dependence). The probability is that of a permutation test: exact
for every distribution. Cost is bounded by `ROWS` and `DRAWS`; without drift it ends after a few dozen draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import special

from iris_core.drift.change import Change
from iris_core.drift.ranks import Numbers, pooled
from iris_core.drift.threads import one_thread

ROWS = 200
"""At most so many rows of each side."""
DRAWS = 2_499
AT_ONCE = 50
WIDTH_ROWS = 100
NARROWER = 4
"""The width is the median squared distance divided by this: the usual width is blind to dependence without
correlation."""
FEWEST = 20

Kernel = NDArray[np.float32]


@dataclass(frozen=True)
class JointChange:
    """The change of the correlation (of normal scores) that changed most, and the chance of the whole
    test."""

    change: Change
    pair: tuple[int, int]


def joint_change(reference: Numbers, current: Numbers, alpha: float, seed: int) -> JointChange | None:
    """Compare whole rows; None: fewer than 20 complete rows on a side, or fewer than two columns that vary.

    :param reference: rows by columns, finite numbers.
    :param current: the same for the batch.
    :param alpha: the probability from which the exact value does not matter: fewer draws are made.
    """
    if min(len(reference), len(current)) < FEWEST:
        return None
    generator = np.random.default_rng(seed)
    old, new = (_some(rows, generator) for rows in (reference, current))
    scores, places = _scores(old, new)
    if scores.shape[1] < 2:
        return None
    with one_thread():
        chance = _chance(_kernel(scores), len(old), alpha, generator)
    a, b, value = _turned(scores[: len(old)], scores[len(old) :])
    pairs = scores.shape[1] * (scores.shape[1] - 1) / 2
    noise = -float(special.ndtri(alpha / pairs / 2)) * sqrt(1 / len(old) + 1 / len(new))
    return JointChange(Change(value, noise, chance), (places[a], places[b]))


def _some(rows: Numbers, generator: np.random.Generator) -> Numbers:
    return generator.permutation(rows)[:ROWS] if len(rows) > ROWS else rows


def _scores(reference: Numbers, current: Numbers) -> tuple[Numbers, list[int]]:
    """Normal scores of every row by column, variance 1, and the columns that vary."""
    columns, places = [], []
    for place in range(reference.shape[1]):
        rows = pooled(reference[:, place], current[:, place])
        score = rows.row_scores
        if len(rows.values) > 1:
            columns.append((score - score.mean()) / score.std())
            places.append(place)
    return np.column_stack(columns) if columns else np.empty((len(reference) + len(current), 0)), places


def _kernel(scores: Numbers) -> Kernel:
    rows = scores.astype(np.float32)
    inner = rows @ rows.T
    squares = np.diag(inner)
    distances = np.maximum(squares[:, None] + squares[None, :] - 2 * inner, 0)
    width = float(np.median(distances[:WIDTH_ROWS])) / NARROWER or 1.0
    distances /= -width
    products = np.square(inner, out=inner)
    products -= np.square(rows) @ np.square(rows).T
    kernel = _centred(products)
    kernel += _centred(np.exp(distances, out=distances))
    return kernel


def _centred(kernel: Kernel) -> Kernel:
    """Mean 0 in every row and column, scaled to the same spread under permutation; in place."""
    means = kernel.mean(axis=0)
    kernel -= (means - means.mean())[:, None]
    kernel -= means[None, :]
    if spread := sqrt(float(np.vdot(kernel, kernel))):
        kernel /= spread
    return kernel


def _chance(kernel: Kernel, m: int, alpha: float, generator: np.random.Generator) -> float:
    """Share of permutations with at least this discrepancy; ends as soon as it is surely above alpha."""
    rows = len(kernel)
    weights = np.full(rows, -1 / m, dtype=np.float32)
    weights[m:] = 1 / (rows - m)
    found = float(weights @ kernel @ weights) * (1 - 1e-5)
    allowed, reached, drawn = int(alpha * (DRAWS + 1)) - 1, 0, 0
    while drawn < DRAWS and reached <= max(0, allowed):
        drawing = min(AT_ONCE, DRAWS - drawn)
        shuffled = generator.permuted(np.tile(weights, (drawing, 1)), axis=1)
        discrepancies = ((shuffled @ kernel) * shuffled).sum(axis=1)
        reached += int((discrepancies >= found).sum())
        drawn += drawing
    return (1 + reached) / (1 + drawn)


def _turned(reference: Numbers, current: Numbers) -> tuple[int, int, float]:
    """The pair of columns whose correlation changed most, and by how much."""
    change = _correlations(current) - _correlations(reference)
    upper = np.triu(change, 1)
    a, b = np.unravel_index(int(np.argmax(np.abs(upper))), upper.shape)
    return int(a), int(b), float(upper[a, b])


def _correlations(scores: Numbers) -> Numbers:
    centred = scores - scores.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0))
    scaled = centred / np.where(spread > 0, spread, 1.0)
    return np.asarray(scaled.T @ scaled / len(scores), dtype=np.float64)
