"""The meaning of a cell's text: a number, a class, or nothing.

It is the same in training, scoring, late labels and drift, and in every format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TypeVar

import polars as pl

from iris_core.tables.findings import LONGEST_QUOTE

MISSING = ("", "na", "nan", "null", "none")
"""Texts of cells that count as missing, in any case and with any outer blanks."""
OTHER = "(another class)"
"""Stands for an unknown label where each row needs a class."""
EXAMPLES = 5
"""Most unknown labels that are quoted."""

Key = TypeVar("Key", str, float)


def numbers(frame: pl.DataFrame) -> pl.DataFrame:
    """Read columns of text as Float64: null where a cell is missing or no number, infinite where it says so.

    Blanks around a number are ignored; '1,5', '1_000' and '5 cm' are not numbers.
    """
    values = frame.select(pl.all().cast(pl.Float64, strict=False).fill_nan(None))
    doubtful = [column.name for column in values if column.null_count()]
    return values.with_columns(frame.select(_number(pl.col(doubtful)))) if doubtful else values


def is_finite(column: pl.Series) -> bool:
    """Whether every cell of a column of Float64 is a finite number."""
    # A sum is 20 times as fast as a look at each number, and is finite only if all of them are.
    return not column.null_count() and (isfinite(column.sum()) or bool(column.is_finite().all()))


def is_missing(cells: pl.Series) -> pl.Series:
    """A mask of the cells of text that hold no value."""
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

    @property
    def unknown_count(self) -> int:
        """How many rows have an unknown label."""
        return len(self.unknown) - self.unknown.null_count()

    @property
    def unknown_examples(self) -> tuple[str, ...]:
        """The first few different unknown labels, shortened."""
        found = self.unknown.drop_nulls()
        few = found.unique(maintain_order=True).head(EXAMPLES) if len(found) else found
        return tuple(text.strip()[:LONGEST_QUOTE] for text in few)

    def filter(self, mask: pl.Series) -> Labels:
        """The labels of the rows under a mask."""
        return Labels(self.known.filter(mask), self.unknown.filter(mask))

    def text(self) -> pl.Series:
        """The labels as text: the class, `OTHER` for an unknown label, null where there is no label."""
        is_other = self.unknown.is_not_null()
        return (
            self.known.cast(pl.String).set(is_other, OTHER) if is_other.any() else self.known.cast(pl.String)
        )


class Classes:
    """The declared classes, and the other texts that name them.

    A label that is written exactly as a class is that class, even `NA` or `None`. Otherwise outer blanks are
    ignored, and a text that counts as missing is no label; `TRUE` names the class `True`, and `1.0` the class
    `1`. If the only classes are 1 and 0, the words true and false name them, and the other way round.

    :param names: the classes.
    :param words: further words for classes, in lower case.
    """

    def __init__(self, names: Sequence[str], words: Mapping[str, str] | None = None) -> None:
        self.names = tuple(names)
        self.type = pl.Enum(self.names)
        self._words = _named({name: name.lower() for name in names if name.lower() in ("true", "false")})
        values = numbers(pl.DataFrame({"name": self.names}, schema={"name": pl.String}))["name"]
        self._values = _named({n: value for n, value in zip(names, values, strict=True) if value is not None})
        if set(self._values) == {0.0, 1.0} and not self._words:
            self._words = {"false": self._values[0.0], "true": self._values[1.0]}
        elif len(self._words) == 2 and not self._values:
            self._values = {0.0: self._words["false"], 1.0: self._words["true"]}
        self._words |= words or {}

    def read(self, cells: pl.Series) -> Labels:
        """Read the labels in cells of text; null means no label."""
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
        """Classes that a cell names by a word or a number instead of their text."""
        ways: tuple[tuple[pl.Expr, dict[str, str] | dict[float, str]], ...] = (
            (cell.str.to_lowercase(), self._words),
            (_number(cell), self._values),
        )
        for key, named in ways:
            if named:
                yield key.replace_strict(named, default=None, return_dtype=self.type)


def _named(keys: dict[str, Key]) -> dict[Key, str]:
    """Classes by key, without keys that several classes share."""
    count = Counter(keys.values())
    return {key: name for name, key in keys.items() if count[key] == 1}
