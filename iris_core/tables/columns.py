"""Columns of a Parquet file: the types that are read, and their values as numbers and as text."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from polars.exceptions import PolarsError

from iris_core.tables.cells import numbers

TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
NUMBERS = (
    *TEXTS,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_null,
)
FRACTION_OF_ZERO = r"\.0+$"
TEXT = "BYTE_ARRAY"
"""Parquet's name of the type of text."""
CARRIED = (*NUMBERS, pa.types.is_boolean, pa.types.is_date, pa.types.is_time, pa.types.is_timestamp)


def unpacked(column: pa.Array) -> pa.Array:
    """The column as polars can read it: no dictionary, 256-bit decimals as text, times in a known zone.

    The text has no fraction of 0 (`text_of`).
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_decimal256(kind):
        return pc.replace_substring_regex(pc.cast(column, pa.string()), FRACTION_OF_ZERO, "")
    if pa.types.is_timestamp(kind) and not _is_zone(kind.tz):
        return pc.cast(column, pa.timestamp(kind.unit, "UTC"))
    return column


@cache
def _is_zone(name: str | None) -> bool:
    try:
        pl.Series([], dtype=pl.Int64).cast(pl.Datetime("us", name))
    except PolarsError:  # An offset, such as +05:30, or a name that others know.
        return False
    return True


def is_one(kind: pa.DataType, kinds: tuple[Callable[[pa.DataType], bool], ...]) -> bool:
    """Whether a type, or that of a dictionary's values, is one of these kinds."""
    return any(is_kind(kind.value_type if pa.types.is_dictionary(kind) else kind) for is_kind in kinds)


def is_full(chunk: pq.ColumnChunkMetaData) -> bool:
    """Whether every row of a column has text: no null, and a minimum that is not blank, as blanks sort first.

    Statistics of other types are not looked at: pyarrow ends the process at a minimum of the wrong length.
    """
    known = chunk.statistics if chunk.physical_type == TEXT else None
    if known is None or not known.has_null_count or known.null_count or not known.has_min_max:
        return False
    return bool(known.min_raw.decode(errors="replace").strip())


def holds_nothing(column: pl.Series) -> pl.Expr:
    """A mask of the column's cells without a value."""
    cell = pl.col(column.name)
    return cell.is_null() | (cell.str.strip_chars() == "") if column.dtype == pl.String else cell.is_null()


def features_of(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns as Float64; text is read by `numbers`."""
    text = [column.name for column in frame if column.dtype == pl.String]
    values = frame.with_columns(pl.exclude(pl.String).cast(pl.Float64).fill_nan(None))
    return values.with_columns(numbers(frame.select(text))) if text else values


def text_of(column: pl.Series) -> pl.Series:
    """A column as text; a fraction of 0 is dropped, so that an id is the same in every type."""
    if column.dtype.is_float():
        column = column.fill_nan(None)
    if column.dtype == pl.Time:
        return column.dt.to_string("iso")  # A cast would drop each fraction of a second.
    text = column.cast(pl.String)
    has_fraction = column.dtype.is_float() or column.dtype.is_decimal()
    return text.str.replace(FRACTION_OF_ZERO, "") if has_fraction else text
