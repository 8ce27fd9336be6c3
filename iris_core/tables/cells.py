"""What the text of a cell means: a number, a class, or nothing.

One meaning each, in training, scoring, late labels and drift, whatever the format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import polars as pl

MISSING = ("", "na", "nan", "null", "none")
"""Cells that count as missing, whatever their case and the blanks around them."""
OTHER = "(another class)"
"""What stands for an unknown label where a row needs a name."""

Key = TypeVar("Key", str, float)


def numbers(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns of text as Float64: null where a cell is missing or not a number, infinite where it says so.

    Blanks around a number are ignored; '1,5', '1_000' and '5 cm' are not numbers.
    """
    values = frame.select(pl.all().cast(pl.Float64, strict=False).fill_nan(None))
    doubtful = [column.name for column in values if column.null_count()]
    return values.with_columns(frame.select(_number(pl.col(doubtful)))) if doubtful else values


def is_missing(cells: pl.Series) -> pl.Series:
    """A mask: which cells of text hold no value."""
    return cells.to_frame("cell").select(_is_missing(pl.col("cell"))).to_series()


def _number(cell: pl.Expr) -> pl.Expr:
    return cell.str.strip_chars().cast(pl.Float64, strict=False).fill_nan(None)


def _is_missing(cell: pl.Expr) -> pl.Expr:
    return cell.str.strip_chars().str.to_lowercase().is_in(MISSING)


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of some rows: a class, nothing, or text that names no class.

    `known` is a `pl.Enum` of the classes and `unknown` text; both are null where a row has no label.
    """

    known: pl.Series
    unknown: pl.Series

    def filter(self, mask: pl.Series) -> Labels:
        """The labels of the rows under a mask."""
        return Labels(self.known.filter(mask), self.unknown.filter(mask))

    def text(self) -> pl.Series:
        """The class; `OTHER` where the label names none, null where there is no label."""
        is_other = self.unknown.is_not_null()
        return (
            self.known.cast(pl.String).set(is_other, OTHER) if is_other.any() else self.known.cast(pl.String)
        )


class Classes:
    """The declared classes, and what else names each of them.

    A label that is written as a class is that class, be it `NA` or `None`. Otherwise blanks around it are
    ignored, and what counts as missing is no label; `TRUE` is the class `True`, and `1.0` the class `1`. The
    words true and false name the classes 1 and 0 where these are all, and the other way round.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.type = pl.Enum(self.names)
        self._words = _named({name: name.lower() for name in names if name.lower() in ("true", "false")})
        values = numbers(pl.DataFrame({"name": self.names}, schema={"name": pl.String}))["name"]
        self._values = _named({n: value for n, value in zip(names, values, strict=True) if value is not None})
        if set(self._values) == {0.0, 1.0} and not self._words:
            self._words = {"false": self._values[0.0], "true": self._values[1.0]}
        elif len(self._words) == 2 and not self._values:
            self._values = {0.0: self._words["false"], 1.0: self._words["true"]}

    def read(self, cells: pl.Series) -> Labels:
        """The labels in cells of text; null is no label."""
        known = self._exact(pl.col("cell"))
        frame = cells.to_frame("cell").select("cell", known=known)
        if not frame["known"].null_count():
            return Labels(frame["known"], pl.repeat(None, len(cells), dtype=pl.String, eager=True))
        bare = pl.col("cell").str.strip_chars()
        absent = pl.col("cell").is_null() | _is_missing(bare)
        meant = pl.when(~absent).then(pl.coalesce(self._exact(bare), *self._other(bare)))
        frame = frame.select("cell", absent=absent, known=pl.coalesce("known", self._exact(bare), meant))
        is_unknown = pl.col("known").is_null() & ~pl.col("absent")
        frame = frame.select("known", unknown=pl.when(is_unknown).then(pl.col("cell")))
        return Labels(frame["known"], frame["unknown"])

    def _exact(self, cell: pl.Expr) -> pl.Expr:
        return pl.when(cell != "").then(cell).cast(self.type, strict=False)

    def _other(self, cell: pl.Expr) -> Iterable[pl.Expr]:
        """Classes that a cell names in another way than by their text."""
        ways: tuple[tuple[pl.Expr, dict[str, str] | dict[float, str]], ...] = (
            (cell.str.to_lowercase(), self._words),
            (_number(cell), self._values),
        )
        for key, named in ways:
            if named:
                yield key.replace_strict(named, default=None, return_dtype=self.type)


def _named(keys: dict[str, Key]) -> dict[Key, str]:
    """Classes by key, without the keys that several classes have."""
    count = Counter(keys.values())
    return {key: name for name, key in keys.items() if count[key] == 1}
