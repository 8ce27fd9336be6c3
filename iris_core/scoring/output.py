"""Writes each row with its prediction, as CSV or Parquet.

In CSV each row keeps its own bytes, and columns are added at its end: so the bytes of a row do not depend on
where the file was cut.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from iris_core.models.decide import Decided, Decider
from iris_core.scoring.formulas import Guard
from iris_core.settings.project import PROBABILITY, WRITTEN, TableSchema
from iris_core.tables import Batch, Table
from iris_core.tables.reading import WORKERS

PREDICTION, MODEL_VERSION, SOURCE_ROW = WRITTEN

Format = Literal["csv", "parquet"]


class Sink(Protocol):
    """Receives a part, piece by piece."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Take the next piece."""


class Nowhere:
    """A sink that keeps nothing."""

    def write(self, data: bytes | memoryview, /) -> None:
        """Drop the next piece."""


@dataclass(frozen=True)
class Options:
    """How predictions are written; every field changes the output's bytes.

    `model_version` is the value of the column of this name. `csv_safe` defuses formulas in CSV, in the
    rejected rows as well.
    """

    model_version: str
    probabilities: bool = False
    format: Format = "csv"
    csv_safe: bool = False


def probability_column(label: str) -> str:
    """The name of the column that holds a class's probability."""
    return PROBABILITY.format(label)


def added_columns(classes: Sequence[str], probabilities: bool) -> list[str]:
    """Names of the columns that scoring adds to a table, in order."""
    shares = [probability_column(label) for label in classes] if probabilities else []
    return [PREDICTION, *shares, MODEL_VERSION, SOURCE_ROW]


@dataclass(frozen=True, eq=False)
class Scoring:
    """How a table is scored.

    :param decider: the model; None only copies the rows with their numbers, to measure everything but the
        model.
    :param table: the schema of the table.
    :param options: how predictions are written.
    :param watch: called after each batch with the number of rows so far and the approximate byte of the
        input.
    :param workers: how many batches are processed at once.
    """

    decider: Decider | None
    table: TableSchema
    options: Options
    watch: Callable[[int, int], None] | None = None
    workers: int = WORKERS

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The model's classes; none if rows are only copied."""
        return self.decider.classes if self.decider else ()

    @cached_property
    def added(self) -> list[str]:
        """Names of the columns that are added, in order."""
        return added_columns(self.classes, self.options.probabilities)

    @cached_property
    def guard(self) -> Guard | None:
        """Defuses formulas in what is written; None leaves them."""
        return Guard(self.table) if self.options.csv_safe else None


class Output(Protocol):
    """Writes scored batches: call `rendered` in any thread, `write` in row order."""

    def rendered(self, batch: Batch, decided: Decided | None) -> Any:
        """A batch in the form that `write` takes; without a decision only the rows and their numbers."""

    def write(self, rendered: Any) -> None:
        """Write what was rendered."""

    def close(self) -> str:
        """Close the output; return the SHA-256 of its bytes."""


def output(sink: Sink, source: Table, how: Scoring, has_header: bool) -> Output:
    """Open the output of a scoring.

    :param sink: receives the bytes.
    :param source: the table that is scored.
    :param how: names format and columns.
    :param has_header: whether a CSV begins with its header.
    """
    out = _Digesting(sink)
    if how.options.format == "parquet":
        return _ParquetOutput(out, how)
    if has_header:
        line = how.guard.line(source.line, len(source.fields)) if how.guard else source.line
        out.write(line + b"," + csv_line(how.added if how.classes else how.added[-1:]) + b"\n")
    return _CsvOutput(out, source.fields, how)


class _Digesting:
    """A sink that passes bytes on and computes their digest."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.digest = hashlib.sha256()

    def write(self, data: bytes | memoryview, /) -> None:
        self.digest.update(data)
        self._sink.write(data)


def csv_line(fields: Sequence[str]) -> bytes:
    """Fields as a line of CSV, quoted where they must be, without a line end."""
    line = io.StringIO()
    csv.writer(line).writerow(fields)  # With another line end it would not quote this one.
    return line.getvalue().removesuffix("\r\n").encode()


class _CsvOutput:
    def __init__(self, out: _Digesting, fields: Sequence[str], how: Scoring) -> None:
        self._out, self._fields, self._guard = out, fields, how.guard
        version = csv_line([how.options.model_version]) if how.options.model_version else b""
        self._middle = b"," + version + b","
        names = map(how.guard.text, how.classes) if how.guard else how.classes
        labels = [b"," + csv_line([label]) for label in names]
        self._labels = pa.array(labels, pa.binary())
        self._labels_to_row = pa.array([label + self._middle for label in labels], pa.binary())

    def rendered(self, batch: Batch, decided: Decided | None) -> memoryview | bytes:
        """The rows with the added columns, without the last row's newline."""
        assert batch.lines is not None
        lines = self._guard.lines(batch.lines, self._fields) if self._guard else batch.lines
        count = lines.ends.size
        if not count:
            return b""
        # Cut before each newline, so that the rows join without a copy; the first row begins with none.
        cuts = np.empty(count + 1, np.int32)
        cuts[0] = 0
        cuts[1:] = lines.ends
        rows = pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(cuts), pa.py_buffer(lines.data)])
        numbers = pa.array(batch.numbers).cast(pa.string()).cast(pa.binary())
        parts = self._tail(decided) if decided else [pa.scalar(b",", pa.binary())]
        return _content(pc.binary_join_element_wise(rows, *parts, numbers, b""))

    def _tail(self, decided: Decided) -> list[pa.Array]:
        codes = pa.array(decided.codes)
        if decided.probabilities is None:
            return [self._labels_to_row.take(codes)]
        shares = [
            pl.Series(column).cast(pl.String).to_arrow().cast(pa.binary())
            for column in decided.probabilities.T
        ]
        comma = pa.scalar(b",", pa.binary())
        between = [part for share in shares for part in (comma, share)]
        return [self._labels.take(codes), *between, pa.scalar(self._middle, pa.binary())]

    def write(self, rendered: memoryview | bytes) -> None:
        if len(rendered):
            self._out.write(rendered)
            self._out.write(b"\n")

    def close(self) -> str:
        return self._out.digest.hexdigest()


def _content(joined: pa.Array) -> memoryview | bytes:
    """The values of a binary array, joined."""
    offsets = np.frombuffer(joined.buffers()[1], np.int32)
    return memoryview(joined.buffers()[2]).cast("B")[: int(offsets[len(joined)])]


class _ParquetOutput:
    """Writes one Parquet file, a row group for each batch."""

    def __init__(self, out: _Digesting, how: Scoring) -> None:
        self._out, self._how = out, how
        self._file: Any = _SinkFile(out)
        self._writer: pq.ParquetWriter | None = None

    def rendered(self, batch: Batch, decided: Decided | None) -> pa.Table:
        """The rows with the added columns."""
        assert batch.frame is not None
        rows = pl.Series(SOURCE_ROW, batch.numbers, pl.Int64)
        if decided is None:
            return batch.frame.with_columns(rows).to_arrow()
        classes = self._how.classes
        added = [pl.Series(list(classes), dtype=pl.String).gather(decided.codes).alias(PREDICTION)]
        if decided.probabilities is not None:
            shares = decided.probabilities.reshape(-1, len(classes)).T
            names = self._how.added[1:]
            added += [pl.Series(name, share) for name, share in zip(names, shares, strict=False)]
        version = pl.lit(self._how.options.model_version).alias(MODEL_VERSION)
        return batch.frame.with_columns(*added, version, rows).to_arrow()

    def write(self, rendered: pa.Table) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, rendered.schema, compression="zstd")
        self._writer.write_table(rendered.cast(self._writer.schema))

    def close(self) -> str:
        """Write the footer; return the SHA-256 of the file."""
        if self._writer is not None:
            self._writer.close()
        return self._out.digest.hexdigest()


class _SinkFile(io.RawIOBase):
    """Presents a sink as the file that Arrow writes to."""

    def __init__(self, out: Sink) -> None:
        self._out = out
        self._place = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._out.write(piece)
        self._place += len(piece)
        return len(piece)
