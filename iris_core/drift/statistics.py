"""The simple statistics of a table's features: exact, one streamed pass, mergeable across shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from math import sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from iris_core.drift.moments import Moments, merged, of_values
from iris_core.errors import DataRejected

LARGEST = 1e70
"""Numbers beyond this count as infinite: the sum of their fourth powers would overflow a double."""


class FeatureStatistics(BaseModel):
    """What is known of one numeric column, in the column's unit.

    `count` values are numbers; `missing` are null or NaN; `infinite` are infinite (or beyond ±1e70).
    `std` is the sample standard deviation (ddof=1), None below two values. `skewness` and `kurtosis` are the
    standardised central moments (m3 / m2^1.5 and m4 / m2², not in excess: 3 for a normal distribution), None
    for a constant; they say how noisy mean and std are. `mean`, `min`, `max` are None without values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(ge=0)
    missing: int = Field(default=0, ge=0)
    infinite: int = Field(default=0, ge=0)
    mean: float | None = None
    std: float | None = None
    min: float | None = None
    max: float | None = None
    skewness: float | None = None
    kurtosis: float | None = None

    @property
    def rows(self) -> int:
        """Rows seen, whatever they held."""
        return self.count + self.missing + self.infinite

    @property
    def constant(self) -> bool:
        """Whether there are values, and all are the same."""
        return self.count > 0 and not self.std

    @property
    def moments(self) -> Moments:
        """Sums of powers of the deviations from the mean."""
        if self.mean is None or self.min is None or self.max is None:
            return Moments()
        m2 = (self.std or 0.0) ** 2 * (self.count - 1)
        m3 = (self.skewness or 0.0) * m2**1.5 / sqrt(self.count)
        return Moments(
            self.count, self.mean, m2, m3, (self.kurtosis or 0.0) * m2**2 / self.count, self.min, self.max
        )


TableStatistics = dict[str, FeatureStatistics]


def of_frame(frame: pl.DataFrame, names: Sequence[str]) -> TableStatistics:
    """Statistics of the named columns of one frame.

    :raises DataRejected: a column is not there, or does not hold numbers.
    """
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise DataRejected(
            f"Column {', '.join(missing)} is missing; found {', '.join(frame.columns) or 'no column'}. "
            "Upload a table with every feature in its header.",
            {"missing": missing, "found": frame.columns, "expected": list(names)},
        )
    return {name: _of_series(frame[name]) for name in names}


def merge(a: FeatureStatistics, b: FeatureStatistics) -> FeatureStatistics:
    """Statistics of the rows of both, in any order and grouping the same up to rounding."""
    return _described(merged(a.moments, b.moments), a.missing + b.missing, a.infinite + b.infinite)


def merge_tables(a: Mapping[str, FeatureStatistics], b: Mapping[str, FeatureStatistics]) -> TableStatistics:
    """Column by column `merge`, for the shards of one table: both have the same columns."""
    return {name: merge(a[name], b[name]) for name in a}


def of_batches(frames: Iterable[pl.DataFrame], names: Sequence[str]) -> TableStatistics:
    """Statistics of a table that comes in pieces; holds one piece at a time. No piece: all counts are 0.

    :raises DataRejected: as `of_frame`.
    """
    nothing = {name: FeatureStatistics(count=0) for name in names}
    return reduce(merge_tables, (of_frame(frame, names) for frame in frames), nothing)


def _of_series(series: pl.Series) -> FeatureStatistics:
    values = _numbers(series)
    # NaN and infinity show in the extremes: nearly every column needs no second look.
    if len(values) and max(-values.min(), values.max()) <= LARGEST:
        return _described(of_values(values), 0, 0)
    known = values[~np.isnan(values)]
    usable = known[np.abs(known) <= LARGEST]
    return _described(of_values(usable), len(values) - len(known), len(known) - len(usable))


def _numbers(series: pl.Series) -> NDArray[np.float64]:
    if series.null_count() == len(series):
        return np.full(len(series), np.nan)
    if not series.dtype.is_numeric():
        found = series.drop_nulls()[0]
        raise DataRejected(
            f"Column {series.name} holds {series.dtype} ({found!r}), expected numbers. "
            "Correct these values, or take the column out of project.json's features.",
            {"column": series.name, "found": str(series.dtype), "example": str(found), "expected": "number"},
        )
    return series.cast(pl.Float64).to_numpy()


def _described(moments: Moments, missing: int, infinite: int) -> FeatureStatistics:
    if not moments.n:
        return FeatureStatistics(count=0, missing=missing, infinite=infinite)
    spread = moments.m2 > 0
    return FeatureStatistics(
        count=moments.n,
        missing=missing,
        infinite=infinite,
        mean=moments.mean,
        std=sqrt(moments.m2 / (moments.n - 1)) if moments.n > 1 else None,
        min=moments.lowest,
        max=moments.highest,
        skewness=sqrt(moments.n) * (moments.m3 / moments.m2) / sqrt(moments.m2) if spread else None,
        kurtosis=moments.n * (moments.m4 / moments.m2) / moments.m2 if spread else None,
    )
