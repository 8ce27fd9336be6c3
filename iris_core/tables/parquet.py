"""Turns slices of a Parquet file into the same typed batches as a CSV.

The memory of a slice's decoded rows is bounded. Their size on disk does not show it: a dictionary stores a
long value once, however many rows have it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from polars.exceptions import PanicException, PolarsError

from iris_core.tables.batch import Batch, Wanted
from iris_core.tables.cells import Classes
from iris_core.tables.columns import (
    CARRIED,
    NUMBERS,
    TEXT,
    TEXTS,
    holds_nothing,
    is_full,
    is_one,
    text_of,
    unpacked,
)
from iris_core.tables.findings import Finding, rejection, too_large
from iris_core.tables.formats import Unpacked
from iris_core.tables.header import check_distinct, check_width
from iris_core.tables.inputs import Input, RangeFile
from iris_core.tables.kinds import Kinds, is_usable
from iris_core.tables.pages import check_chunks, check_footer, check_pages, largest_group
from iris_core.tables.records import AT_MOST, LONGEST_ROW_BYTES, Lines, scan

FIRST_ROW = 2
"""The number of the first row, as if the header were row 1."""
MOST_ROWS = 32_768
MOST_BYTES = 2 << 20
"""Most bytes of a slice's decoded rows; several slices are processed at once."""
CATEGORY_TAKES = 8
"""Times its bytes that a dictionary takes in a column that Arrow gives as categories (measured: 9)."""
BUFFER_BYTES = 1 << 20
GROUP_BYTES = 64 << 20
"""Bytes; a larger row group is read piece by piece, which is slower."""

_BYTES = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
_BYTES["FIXED_LEN_BYTE_ARRAY"] = 32
"""Bytes of a decoded value; of the types with a fixed length only decimals are read."""


@dataclass(frozen=True)
class Slice:
    """Some rows; the number of the first one, and the approximate byte of the input where they end."""

    rows: pa.RecordBatch
    first_row: int
    place: int


class Parquet:
    """A Parquet file, read by range.

    :param given: the file's bytes.
    :param wanted: the columns to read.
    :raises DataRejected: the file is damaged, has a name twice, or a wanted column has an unreadable type.
    """

    def __init__(self, given: Input, wanted: Wanted) -> None:
        self._given, self._wanted, self._classes = given, wanted, Classes(wanted.classes)
        self._kinds = Kinds(wanted.kinds)
        check_footer(given)
        self._file = self._open()
        known = self._file.metadata
        with self._told():
            check_chunks(given, known)
        if largest_group(known) > GROUP_BYTES:
            self._file = self._open(metadata=known, pre_buffer=False, buffer_size=BUFFER_BYTES)
        schema = self._file.schema_arrow
        names = schema.names
        self._stored = {name.strip(): name for name in names}
        self._types = dict(zip(map(str.strip, names), schema.types, strict=True))
        check_width(len(names), len(wanted.names), given.where)
        check_distinct(map(str.strip, names), given.where)
        self.columns = tuple(self._stored)
        self._features, self._labels = self._found(wanted.features), self._found(wanted.labels)
        rest = [name for name in self.columns if name not in wanted.names] if wanted.has_rest else []
        self._text = (*self._found(wanted.text), *rest)
        asked = (*self._features, *self._labels, *self._text)
        self._read = self.columns if wanted.carried != "nothing" else asked
        self._check_types()
        self._may_be_blank = not (self._is_filled() or self._is_first_full())
        if self._may_be_blank:
            simple = (name for name in self.columns if is_one(self._types[name], CARRIED))
            self._read = tuple(dict.fromkeys((*self._read, *simple)))

    @property
    def fields(self) -> tuple[str, ...]:
        """The header's fields."""
        return self.columns

    @property
    def line(self) -> bytes:
        """The header as a line of CSV."""
        out = io.StringIO()
        csv.writer(out).writerow(self.columns)  # With another line end it would not quote this one.
        return out.getvalue().removesuffix("\r\n").encode()

    def _found(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name in self._stored)

    def _check_types(self) -> None:
        for name in self._read:
            kind = self._types[name]
            is_number = name in self._features and not self._kinds.is_coded(name)
            if not is_one(kind, NUMBERS if is_number else CARRIED):
                expected = "numbers" if is_number else "text, numbers, dates or truth values"
                found = f"the type {kind}"
                finding = Finding(check="column_type", column=name, count=1, found=found, expected=expected)
                raise rejection(self._given.where, [finding])

    def _is_filled(self) -> bool:
        """Whether by the statistics no row is blank: in each row group a column has text in every row."""
        metadata, schema = self._file.metadata, self._file.schema
        text = [n for n in range(len(schema)) if schema.column(n).physical_type == TEXT]
        groups = map(metadata.row_group, range(metadata.num_row_groups))
        return all(any(is_full(group.column(n)) for n in text) for group in groups)

    def _is_first_full(self) -> bool:
        """Whether the first column that is read is no text and has a value in every row; it is read alone."""
        first, read = self._read[:1], self._read
        if not first or len(read) == len(self.columns) or is_one(self._types[first[0]], TEXTS):
            return False
        self._read = first
        is_full = not any(part.rows.column(0).null_count for part in self.slices())
        self._read = read
        return is_full

    def slices(self) -> Iterator[Slice]:
        """All rows, in bounded slices.

        :raises DataRejected: a page is damaged, a row is too long, or the rows unpack to too many bytes.
        """
        total, row, counted = self._file.metadata.num_rows, FIRST_ROW, Unpacked(self._given)
        names = [self._stored[name] for name in self._read]
        taken = {self._stored[name]: self._times_taken(name) for name in self._read}
        with self._told():
            Unpacked(self._given).add(self._stored_bytes())
            for group in range(self._file.metadata.num_row_groups):
                check_pages(self._given, self._chunks(group), taken)
        sizes = enumerate(map(self._rows_at_once, range(self._file.metadata.num_row_groups)))
        for rows, groups in groupby(sizes, key=lambda size: size[1]):
            batches = self._file.iter_batches(rows, [group for group, _ in groups], names)
            while (batch := self._next(batches)) is not None:
                counted.add(batch.nbytes)
                if batch.num_rows == 1 and batch.nbytes > LONGEST_ROW_BYTES:
                    raise too_large(self._given.where, f"a row of {batch.nbytes:,} bytes", AT_MOST, row)
                end = row + batch.num_rows
                yield Slice(batch, row, self._given.size * (end - FIRST_ROW) // max(1, total))
                row = end

    def batch(self, part: Slice) -> Batch:
        """The batch of a slice's rows, without rows that hold no value."""
        with self._told():
            return self._batch(part, self._frame(part.rows))

    def _batch(self, part: Slice, frame: pl.DataFrame) -> Batch:
        rows = np.arange(part.first_row, part.first_row + frame.height)
        if self._may_be_blank and (blank := self._blank(frame)).any():
            frame, rows = frame.filter(~blank), rows[~blank.to_numpy()]
        features = self._kinds.read(frame.select(self._features))
        names, carried = (*self._features, *self._labels), self._wanted.carried
        return Batch(
            numbers=rows,
            features=features,
            labels={name: self._classes.read(text_of(frame[name])) for name in self._labels},
            text=frame.select(text_of(frame[name]).fill_null("") for name in self._text),
            cells=lambda: frame.select(text_of(frame[name]).fill_null("") for name in names),
            is_plain=is_usable(features),
            lines=self._lines(frame) if carried == "lines" else None,
            frame=frame if carried == "frame" else None,
            place=part.place,
        )

    def empty(self) -> Batch:
        """A batch without rows."""
        nothing = [pa.array([], self._types[name]) for name in self._read]
        names = [self._stored[name] for name in self._read]
        return self.batch(Slice(pa.RecordBatch.from_arrays(nothing, names), FIRST_ROW, 0))

    def _frame(self, rows: pa.RecordBatch) -> pl.DataFrame:
        rows.validate(full=True)
        columns = [unpacked(rows.column(self._stored[name])) for name in self._read]
        frame = pl.DataFrame(pl.from_arrow(pa.table(columns, [f"c{place}" for place in range(len(columns))])))
        frame.columns = list(self._read)  # A column without a name gets one from polars.
        return frame

    def _blank(self, frame: pl.DataFrame) -> pl.Series:
        """A mask of the rows without any value."""
        few = [frame[name] for name in self._features or self._read[:1]]
        blank = frame.select(pl.all_horizontal(map(holds_nothing, few))).to_series()
        return (
            frame.select(pl.all_horizontal(map(holds_nothing, frame))).to_series() if blank.any() else blank
        )

    def _lines(self, frame: pl.DataFrame) -> Lines:
        """Rows as lines of CSV, with ids in the form in which they are joined."""
        out = io.BytesIO()
        ids = self._found([self._wanted.key])
        frame.with_columns(text_of(frame[name]) for name in ids).write_csv(out, include_header=False)
        data = out.getvalue()
        return Lines(data, scan(data).ends)

    def _stored_bytes(self) -> int:
        """Uncompressed bytes of the columns that are read, by the file's metadata."""
        groups = map(self._chunks, range(self._file.metadata.num_row_groups))
        return sum(chunk.total_uncompressed_size for chunks in groups for chunk in chunks.values())

    def _chunks(self, group: int) -> dict[str, pq.ColumnChunkMetaData]:
        """A row group's part of each column that is read; the parts' own names may be wrong."""
        names, schema = {self._stored[name] for name in self._read}, self._file.schema
        paths = enumerate(schema.column(place).path for place in range(len(schema)))
        column = self._file.metadata.row_group(group).column
        return {path: column(place) for place, path in paths if path in names}

    def _rows_at_once(self, group: int) -> int:
        """The number of rows of a row group that take at most `MOST_BYTES` when decoded, a power of two."""
        with self._told():
            taken = sum(self._row_bytes(group, *part) for part in self._chunks(group).items())
        rows = max(1, min(MOST_ROWS, int(MOST_BYTES // max(1.0, taken))))
        return int(2 ** (rows.bit_length() - 1))

    def _row_bytes(self, group: int, name: str, chunk: pq.ColumnChunkMetaData) -> float:
        """Decoded bytes per row of one column: the most if values may be stored once, else the average."""
        if chunk.physical_type in _BYTES or not chunk.num_values:
            return float(_BYTES.get(chunk.physical_type, 0))
        stored, rows = int(chunk.total_uncompressed_size), int(chunk.num_values)
        average = 2 * stored / rows
        if stored * rows <= MOST_BYTES:
            return average
        if "DELTA_BYTE_ARRAY" in chunk.encodings:
            return float(stored)
        if any("DICTIONARY" in encoding for encoding in chunk.encodings):
            return average + self._longest(group, name)
        return average

    def _longest(self, group: int, name: str) -> float:
        """Bytes of the longest value in a row group's dictionary; 0 without a dictionary."""
        known = self._file.metadata
        file = self._open(metadata=known, read_dictionary=[name], pre_buffer=False, buffer_size=BUFFER_BYTES)
        values = next(file.iter_batches(1, [group], [name])).column(0)
        if not pa.types.is_dictionary(values.type):
            return 0.0
        return float(pc.max(pc.binary_length(values.dictionary)).as_py() or 0)

    def _open(self, **how: Any) -> pq.ParquetFile:
        with self._told():
            file = io.BufferedReader(RangeFile(self._given), BUFFER_BYTES)
            return pq.ParquetFile(pa.PythonFile(file, mode="r"), page_checksum_verification=True, **how)

    def _times_taken(self, name: str) -> int:
        return CATEGORY_TAKES if pa.types.is_dictionary(self._types[name]) else 1

    def _next(self, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
        """The next rows, each with its own copy of a value that a dictionary holds once.

        A whole dictionary would come with each slice, however few of its values the slice has.
        """
        with self._told():
            rows = next(batches, None)
            return (
                None
                if rows is None
                else pa.RecordBatch.from_arrays(
                    [unpacked(column) for column in rows.columns], rows.schema.names
                )
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn the libraries' errors about a damaged file into a refusal."""
        try:
            yield
        except (pa.ArrowException, OSError, ValueError, PolarsError, PanicException) as error:
            told = f"a damaged Parquet file ({str(error).splitlines()[0][:120]})"
            finding = Finding(check="damaged", count=1, found=told, expected="a whole one")
            raise rejection(self._given.where, [finding]) from error
