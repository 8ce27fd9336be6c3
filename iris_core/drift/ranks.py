"""Pools two samples of one column for rank tests.

Without drift, every split of the pooled rows into reference and batch is equally likely, whatever the
distribution. So the tests of `permutation`, `shape` and `beyond` hold on anyone's data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]

ROUNDING = 1e-13
"""A spread below this share of the values is rounding of doubles."""
COARSE = 1e-4
"""A spread above this share of the values is seen by single precision, too."""


@dataclass(frozen=True)
class Pooled:
    """The distinct values of both samples, in order, and how many rows of each sample have them."""

    values: Numbers
    reference: Counts
    current: Counts
    places: Counts
    """Place of every row's value among the distinct ones, the reference's rows first."""

    @cached_property
    def m(self) -> int:
        """Rows of the reference."""
        return int(self.reference.sum())

    @cached_property
    def n(self) -> int:
        """Rows of the batch."""
        return int(self.current.sum())

    @cached_property
    def counts(self) -> Counts:
        """Rows of both, by distinct value."""
        return self.reference + self.current

    @cached_property
    def normal_scores(self) -> Numbers:
        """By distinct value: the normal quantile of its rank among all rows; ties share their mean score."""
        return self._averaged(_quantiles(self.m + self.n))

    @cached_property
    def squared_scores(self) -> Numbers:
        """The same for their squares (Klotz, Annals of Mathematical Statistics 33, 1962)."""
        return self._averaged(_quantiles(self.m + self.n) ** 2)

    @property
    def row_scores(self) -> Numbers:
        """The normal score of every row, the reference's first."""
        return self.normal_scores[self.places]

    def _averaged(self, scores: Numbers) -> Numbers:
        ends = np.cumsum(self.counts)
        sums = np.concatenate([[0.0], np.cumsum(scores)])
        return np.asarray((sums[ends] - sums[ends - self.counts]) / self.counts, dtype=np.float64)


def pooled(reference: Numbers, current: Numbers) -> Pooled:
    """Pool both samples' finite values. Values that differ by rounding only are equal."""
    old, new = _without_rounding(reference, current)
    values, places = np.unique(np.concatenate([old, new]), return_inverse=True)
    before = np.bincount(places[: len(old)], minlength=len(values))
    after = np.bincount(places[len(old) :], minlength=len(values))
    return Pooled(values, before.astype(np.int64), after.astype(np.int64), places)


def _without_rounding(reference: Numbers, current: Numbers) -> tuple[Numbers, Numbers]:
    """Both samples in single precision, if that loses rounding only: 0.1 + 0.2, tables stored as float32.

    Columns whose spread is small beside their values (times in seconds) keep their digits.
    """
    spread = max(_spread(reference), _spread(current))
    if ROUNDING < spread < COARSE:
        return reference, current
    return _single(reference), _single(current)


def _spread(values: Numbers) -> float:
    largest = float(np.abs(values).max(initial=0.0))
    return float(values.std()) / largest if largest else 0.0


def _single(values: Numbers) -> Numbers:
    with np.errstate(over="ignore"):
        single = values.astype(np.float32).astype(np.float64)
    return np.where(np.isfinite(single), single, values)


@lru_cache(maxsize=4)
def _quantiles(rows: int) -> Numbers:
    """The normal quantiles of so many ranks: the same for every column of a report."""
    quantiles = np.asarray(special.ndtri(np.arange(1, rows + 1) / (rows + 1)), dtype=np.float64)
    quantiles.flags.writeable = False
    return quantiles
