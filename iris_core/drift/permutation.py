"""The permutation test of two samples: how likely chance puts so large a sum of scores into the batch.

The tail of the sum of n scores, drawn without replacement from those of all rows, comes from the double
saddlepoint approximation (Robinson, "Saddlepoint approximations for permutation tests and confidence
intervals", JRSS B 44, 1982; formula: Skovgaard, "Saddlepoint expansions for conditional distributions",
Journal of Applied Probability 24, 1987). Its relative error is a few per cent far out in the tail, where a
normal approximation of skewed scores is off by a factor of ten.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, pi, sqrt

import numpy as np
from scipy import special

from iris_core.drift.hypergeometric import at_least
from iris_core.drift.ranks import Counts, Numbers

PLAIN = 1.5
"""Up to this many standard deviations the normal approximation is used: nothing is decided there."""
STEPS = 50
CLOSE = 1e-8
FARTHEST = -650.0
"""Logarithm of a probability that a double can barely hold."""
GROUPS = 2_000
"""If there are more distinct values, neighbours are grouped: their scores hardly differ."""


def permuted(scores: Numbers, counts: Counts, current: Counts) -> tuple[float, float]:
    """The batch's mean score minus the reference's, and the two-sided probability of one so far from 0.

    :param scores: by distinct value.
    :param counts: rows of both samples, by distinct value.
    :param current: rows of the batch, by distinct value.
    """
    rows, n = int(counts.sum()), int(current.sum())
    centred = scores - float(scores @ counts) / rows
    variance = float(centred**2 @ counts) / rows
    if variance <= 0 or not 0 < n < rows:
        return 0.0, 1.0
    total = float(centred @ current)
    difference = total * rows / (n * (rows - n))
    z = total / sqrt(variance * n * (rows - n) / (rows - 1))
    if abs(z) < PLAIN:
        return difference, 2 * float(special.ndtr(-abs(z)))
    toward = centred / sqrt(variance) * (1.0 if total > 0 else -1.0)
    if len(scores) == 2:
        top = int(np.argmax(toward))
        return difference, min(1.0, 2 * at_least(int(current[top]), int(counts[top]), n, rows))
    draw = _Draw(*_grouped(toward, counts), n, abs(total) / sqrt(variance))
    return difference, min(1.0, 2 * draw.tail())


def _grouped(scores: Numbers, counts: Counts) -> tuple[Numbers, Counts]:
    """Neighbours with their mean score, at most `GROUPS` of them."""
    if len(scores) <= GROUPS:
        return scores, counts
    starts = np.linspace(0, len(scores), GROUPS, endpoint=False).astype(np.int64)
    rows = np.add.reduceat(counts, starts)
    return np.add.reduceat(scores * counts, starts) / rows, rows


@dataclass(frozen=True)
class _Draw:
    """A draw of n rows from scores with mean 0 and variance 1; `total` is the sum whose tail is computed."""

    scores: Numbers
    counts: Counts
    n: int
    total: float

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    @property
    def start(self) -> float:
        """Log odds of a row to be drawn."""
        return log(self.n / (self.rows - self.n))

    def tail(self) -> float:
        s, t, height = self._saddle()
        if height < FARTHEST:
            return 0.0
        a, b, c = self._curvature(self._drawn(s, t))
        share = self.n / self.rows
        plain = self.rows * share * (1 - share)
        determinant = (a * c - b * b) / plain
        w, u = sqrt(max(0.0, -2 * height)), t * sqrt(max(0.0, determinant))
        if u <= CLOSE or w <= CLOSE:  # at the largest sum there is: Chernoff's bound, given n
            return min(1.0, exp(height) * sqrt(2 * pi * plain))
        density = exp(-w * w / 2) / sqrt(2 * pi)
        return min(1.0, max(0.0, float(special.ndtr(-w)) + density * (1 / u - 1 / w)))

    def _saddle(self) -> tuple[float, float, float]:
        """Where the exponent is lowest (Newton's method with halved steps), and its value there."""
        s = t = 0.0
        height = self._exponent(s, t)
        for _ in range(STEPS):
            ds, dt = self._step(s, t)
            size, lower = 1.0, self._exponent(s - ds, t - dt)
            while not lower <= height and size > CLOSE:
                size /= 2
                lower = self._exponent(s - size * ds, t - size * dt)
            if not lower <= height:
                break
            gained, height = height - lower, lower
            s, t = s - size * ds, t - size * dt
            if gained < CLOSE or height < FARTHEST:
                break
        return s, t, height

    def _exponent(self, s: float, t: float) -> float:
        grown = np.logaddexp(0.0, self.start + s + t * self.scores) + log(1 - self.n / self.rows)
        return float(self.counts @ grown) - s * self.n - t * self.total

    def _step(self, s: float, t: float) -> tuple[float, float]:
        drawn = self._drawn(s, t)
        down, across = (
            float(self.counts @ drawn) - self.n,
            float((self.counts * drawn) @ self.scores) - self.total,
        )
        a, b, c = self._curvature(drawn)
        determinant = a * c - b * b
        if determinant <= 0:
            return 0.0, 0.0
        return (c * down - b * across) / determinant, (a * across - b * down) / determinant

    def _drawn(self, s: float, t: float) -> Numbers:
        return np.asarray(special.expit(self.start + s + t * self.scores))

    def _curvature(self, drawn: Numbers) -> tuple[float, float, float]:
        weights = self.counts * drawn * (1 - drawn)
        return float(weights.sum()), float(weights @ self.scores), float(weights @ self.scores**2)
