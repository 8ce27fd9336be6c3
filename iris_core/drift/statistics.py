"""The simple statistics of a table's features: exact, one streamed pass, mergeable across shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial, reduce
from math import sqrt
from typing import TYPE_CHECKING, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from iris_core.drift.moments import Moments, merged, of_values
from iris_core.errors import DataRejected

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

OF_NUMBERS = ("mean", "std", "min", "max", "skewness", "kurtosis")
LARGEST = 1e70
"""Numbers beyond this count as infinite: the sum of their fourth powers would overflow a double."""


Codes = Mapping[str, Sequence[str]]
"""By column of codes: what 0, 1, … stand for (`TableSchema.coded`)."""


class FeatureStatistics(BaseModel):
    """What is known of one column: of numbers, in the column's unit; of a category, by level.

    `count` values are numbers; `missing` are null or NaN; `infinite` are infinite (or beyond ±1e70).
    `std` is the sample standard deviation (ddof=1), None below two values. `skewness` and `kurtosis` are the
    standardised central moments (m3 / m2^1.5 and m4 / m2², not in excess: 3 for a normal distribution), None
    for a constant; they say how noisy mean and std are. `mean`, `min`, `max` are None without values.
    `levels` are the rows of each level of a category or truth value that has any, None for numbers; then
    nothing else but the counts is known.
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
    levels: dict[str, int] | None = None

    @model_serializer(mode="wrap")
    def _short(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without levels where there are none, as before there were categories; else without what only
        numbers have."""
        unsaid = ("levels",) if self.levels is None else OF_NUMBERS
        return {name: value for name, value in whole(self).items() if name not in unsaid}

    @property
    def is_category(self) -> bool:
        """Whether it is a column of levels: a category, or a truth value."""
        return self.levels is not None

    @property
    def rows(self) -> int:
        """Rows seen, whatever they held."""
        return self.count + self.missing + self.infinite

    @property
    def constant(self) -> bool:
        """Whether there are values, and all are the same."""
        if self.levels is not None:
            return len(self.levels) == 1
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


def of_frame(frame: pl.DataFrame, names: Sequence[str], codes: Codes | None = None) -> TableStatistics:
    """Statistics of the named columns of one frame.

    :param frame: the frame.
    :param names: the columns.
    :param codes: those of them that hold codes.
    :raises DataRejected: a column is not there, does not hold numbers, or holds a number that is no code.
    """
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise DataRejected(
            f"Column {', '.join(missing)} is missing; found {', '.join(frame.columns) or 'no column'}. "
            "Upload a table with every feature in its header.",
            {"missing": missing, "found": frame.columns, "expected": list(names)},
        )
    coded = codes or {}
    return {
        name: _of_codes(frame[name], coded[name]) if name in coded else _of_series(frame[name])
        for name in names
    }


def merge(a: FeatureStatistics, b: FeatureStatistics) -> FeatureStatistics:
    """Statistics of the rows of both, in any order and grouping the same up to rounding."""
    if a.levels is not None and b.levels is not None:
        return of_levels(Counter(a.levels) + Counter(b.levels), a.missing + b.missing)
    return _described(merged(a.moments, b.moments), a.missing + b.missing, a.infinite + b.infinite)


def merge_tables(a: Mapping[str, FeatureStatistics], b: Mapping[str, FeatureStatistics]) -> TableStatistics:
    """Column by column `merge`, for the shards of one table: both have the same columns."""
    return {name: merge(a[name], b[name]) for name in a}


def of_batches(
    frames: Iterable[pl.DataFrame], names: Sequence[str], codes: Codes | None = None
) -> TableStatistics:
    """Statistics of a table that comes in pieces; holds one piece at a time. No piece: all counts are 0.

    :param frames: the pieces.
    :param names: the columns.
    :param codes: those of them that hold codes.
    :raises DataRejected: as `of_frame`.
    """
    nothing = {
        name: FeatureStatistics(count=0, levels={} if name in (codes or {}) else None) for name in names
    }
    return reduce(merge_tables, map(partial(of_frame, names=names, codes=codes), frames), nothing)


def of_levels(levels: Mapping[str, int], missing: int = 0) -> FeatureStatistics:
    """Statistics of a category by its rows of each level."""
    found = {level: rows for level, rows in levels.items() if rows}
    return FeatureStatistics(count=sum(found.values()), missing=missing, levels=found)


def _of_codes(series: pl.Series, codes: Sequence[str]) -> FeatureStatistics:
    import numpy as np

    values = _numbers(series)
    absent = np.isnan(values)
    known = values[~absent] if absent.any() else values
    if len(known) and not (known.min() >= 0 and known.max() < len(codes)):
        raise DataRejected(
            f"Column {series.name} holds a number that stands for none of its {len(codes)} levels.",
            {"column": series.name, "levels": list(codes)},
        )
    counts = np.bincount(known.astype(np.int64), minlength=len(codes)).tolist()
    return of_levels(dict(zip(codes, counts, strict=True)), len(values) - len(known))


def _of_series(series: pl.Series) -> FeatureStatistics:
    import numpy as np

    values = _numbers(series)
    # NaN and infinity show in the extremes: nearly every column needs no second look.
    if len(values) and max(-values.min(), values.max()) <= LARGEST:
        return _described(of_values(values), 0, 0)
    known = values[~np.isnan(values)]
    usable = known[np.abs(known) <= LARGEST]
    return _described(of_values(usable), len(values) - len(known), len(known) - len(usable))


def _numbers(series: pl.Series) -> NDArray[np.float64]:
    import numpy as np
    import polars as pl

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
