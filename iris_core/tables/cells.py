"""What the text of a cell means: a number, a label, or nothing."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

MISSING = ("", "na", "nan", "null", "none")
"""Cells that count as missing, whatever their case and the blanks around them."""


def numbers(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Columns of text as Float64: null where a cell is missing or not a number, infinite where it says so.

    Blanks around a number are ignored; '1,5', '1_000' and '5 cm' are not numbers.
    """
    values = _parsed(frame, names)
    doubtful = [name for name in names if values[name].null_count()]
    if not doubtful:
        return values
    stripped = frame.select(pl.col(doubtful).str.strip_chars())
    return values.with_columns(_parsed(stripped, doubtful))


def _parsed(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    values = frame.select(pl.col(names).cast(pl.Float64, strict=False))
    has_nan = any(values[name].is_nan().any() for name in names)
    return values.fill_nan(None) if has_nan else values


def is_missing(cells: pl.Series) -> pl.Series:
    """A mask: which cells of text hold no value."""
    return cells.str.strip_chars().str.to_lowercase().is_in(MISSING)


def labels(frame: pl.DataFrame, target: str) -> pl.Series:
    """The target's text without the blanks around it."""
    return frame[target].str.strip_chars()
