"""Reads the cells of features as numbers: amounts, and codes of truth values and of categories.

A code is the place of a level among `Feature.codes`. A missing value is NaN where the feature allows it; a
cell that cannot be used is null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from iris_core.settings.features import FALSE, TRUE, Feature
from iris_core.tables.cells import Classes, is_missing
from iris_core.tables.columns import features_of, text_of
from iris_core.tables.findings import Check, one_of, shown

WORDS = {
    **dict.fromkeys(("yes", "y", "t", "on"), TRUE),
    **dict.fromkeys(("no", "n", "f", "off"), FALSE),
}
"""What truth values are written as, beside true and false, 1 and 0; in any case."""
LEVELS_NAMED = 5


class Kinds:
    """The kinds of a table's features; those without one are plain numbers.

    :param features: those that are no plain numbers, by name.
    """

    def __init__(self, features: Mapping[str, Feature]) -> None:
        self._features = dict(features)
        self._levels = {
            name: Classes((FALSE, TRUE), WORDS) if one.type == "boolean" else Classes(one.levels)
            for name, one in features.items()
            if one.codes
        }

    def __bool__(self) -> bool:
        return bool(self._features)

    def is_coded(self, name: str) -> bool:
        """Whether a feature is read from text to a code."""
        return name in self._levels

    def read(self, cells: pl.DataFrame) -> pl.DataFrame:
        """The features as Float64, in the order of their columns.

        :param cells: text, or numbers where the file has them.
        """
        found = {column.name: column for column in features_of(cells.select(pl.exclude(self._levels)))}
        for name, one in self._features.items():
            if name in cells.columns:
                found[name] = (
                    self._code(cells[name], one) if one.codes else _amount(cells[name], found[name], one)
                )
        return pl.DataFrame([found[name] for name in cells.columns])

    def _code(self, column: pl.Series, feature: Feature) -> pl.Series:
        # Few texts occur, and what each means is asked once.
        cells = text_of(column)
        different = cells.unique()
        codes = self._codes(different, feature)
        found = cells.replace_strict(different, codes, return_dtype=pl.Float64)
        return found.cast(pl.Float64).alias(feature.name)  # polars leaves a column without rows as it is.

    def _codes(self, cells: pl.Series, feature: Feature) -> pl.Series:
        found = self._levels[feature.name].read(cells)
        codes = found.known.to_physical().cast(pl.Float64)
        if feature.unseen == "other":
            codes = codes.set(found.unknown.is_not_null(), float(len(feature.levels)))
        if feature.may_miss:
            codes = codes.set(found.known.is_null() & found.unknown.is_null(), float("nan"))
        return codes


def _amount(column: pl.Series, values: pl.Series, feature: Feature) -> pl.Series:
    found = values
    if feature.type == "integer":
        is_part = (values != values.floor()) & values.is_finite()
        found = found.set(is_part.fill_null(False), None)
    if feature.may_miss:
        is_text = column.dtype == pl.String
        is_absent = is_missing(column) | column.is_null() if is_text else values.is_null()
        found = found.set(is_absent, float("nan"))
    return found.alias(feature.name)


def is_usable(features: pl.DataFrame) -> bool:
    """Whether every cell is a finite number, or a missing value that its feature allows."""
    return all(not column.null_count() and not column.is_infinite().any() for column in features)


def faults(cells: pl.Series, values: pl.Series, feature: Feature) -> Iterator[tuple[Check, pl.Series]]:
    """Masks of the cells that cannot be used, by what is wrong with them.

    :param cells: the cells as text.
    :param values: what they were read as.
    :param feature: says what is expected.
    """
    is_absent = is_missing(cells) & values.is_null()
    yield "missing", is_absent
    wrong: Check = "not_a_number" if feature.is_number else "unknown_level"
    yield wrong, values.is_null() & ~is_absent
    yield "infinite", values.is_infinite().fill_null(False)


def expected(feature: Feature) -> str:
    """What is expected in a cell, as a part of a sentence."""
    if feature.type == "boolean":
        return "true or false (yes or no, 1 or 0)"
    if feature.type == "category":
        return _listed(feature.levels)
    number = "a whole number" if feature.type == "integer" else "a number"
    return f"{number} in {feature.unit}" if feature.unit else number


def _listed(levels: Sequence[str]) -> str:
    if len(levels) == 1:
        return shown(levels[0])
    if len(levels) <= LEVELS_NAMED:
        return one_of(levels)
    return f"one of {len(levels):,} levels ({', '.join(map(shown, levels[:LEVELS_NAMED]))}, …)"
