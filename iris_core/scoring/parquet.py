"""Tables that are no plain text: Parquet in, Parquet out, in batches of rows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from iris_core.scoring.formulas import Guard
from iris_core.scoring.options import Options, Sink
from iris_core.scoring.render import MODEL_VERSION, PREDICTION, added_columns, probability_names
from iris_core.settings.project import TableSchema
from iris_core.tables.inputs import Input, layout, open_csv
from iris_core.tables.ordered import ordered
from iris_core.tables.parquet import BATCH_ROWS, opened
from iris_core.tables.rejects import SCHEMA, SOURCE_ROW
from iris_core.tables.rows import Block, Layout, Parsed, Rows, _faults, parse

if TYPE_CHECKING:
    from iris_core.scoring.decide import Decided, Decider

Scored = Iterator[tuple[Parsed, "Decided | None", int]]


def scored(
    given: Input,
    decider: Decider | None,
    table: TableSchema,
    options: Options,
    out: Sink,
    workers: int,
) -> Scored:
    """Score a Parquet file; the first row below the header has number 2, as in a CSV.

    :raises DataRejected: it cannot be read, or a column is missing or no number.
    """
    file = opened(given)
    names = decider.classes if decider else ()
    added = added_columns(names, options.probabilities)
    found = layout(tuple(file.schema_arrow.names), table, given.where, added)
    writer = _writer(options, out, table)
    row = 2
    for batch in file.iter_batches(BATCH_ROWS, use_threads=workers > 1):
        frame = pl.DataFrame(pl.from_arrow(batch))
        parsed, kept = _checked(frame, row, found)
        decided = decider.decide(parsed.rows.features) if decider else None
        writer.write(_with_predictions(kept, parsed, decided, names, options))
        row += frame.height
        yield parsed, decided, given.size * (row - 2) // max(1, file.metadata.num_rows)
    if row == 2:
        writer.write(_empty(found, names, options))
    writer.close()


def converted(
    given: Input,
    decider: Decider | None,
    table: TableSchema,
    options: Options,
    out: Sink,
    workers: int,
) -> Scored:
    """Score a CSV into Parquet: features as numbers, other columns as text."""
    opened = open_csv(given)
    names = decider.classes if decider else ()
    found = layout(opened.header.columns, table, given.where, added_columns(names, options.probabilities))
    writer = _writer(options, out, table)
    place, written = opened.header.end, False

    def work(block: Block) -> tuple[Parsed, Decided | None, pl.DataFrame]:
        parsed = parse(block, found)
        decided = decider.decide(parsed.rows.features) if decider else None
        frame = _with_predictions(_carried(parsed.rows, found), parsed, decided, names, options)
        return parsed, decided, frame

    for block, (parsed, decided, frame) in ordered(opened.blocks, work, workers):
        writer.write(frame)
        written = True
        place += len(block.data)
        yield parsed, decided, place
    if not written:
        writer.write(_empty(found, names, options))
    writer.close()


def _checked(frame: pl.DataFrame, row: int, found: Layout) -> tuple[Parsed, pl.DataFrame]:
    """Rows whose features are finite numbers, as rows and with all their columns."""
    text = frame.select(pl.col(found.features).cast(pl.String).fill_null(""))
    values = frame.select(pl.col(found.features).cast(pl.Float64, strict=False).fill_nan(None))
    is_bad = values.select(pl.any_horizontal(pl.all().is_null() | pl.all().is_infinite())).to_series()
    numbers = np.arange(row, row + frame.height)
    rejected, faults = _faults(text, values, is_bad, numbers, found)
    good = ~is_bad
    labels = None
    if found.target:
        labels = frame[found.target].filter(good).cast(pl.String).fill_null("").str.strip_chars()
    none = np.empty(0, np.int64)
    rows = Rows(b"", none, numbers[good.to_numpy()], values.filter(good), labels)
    return Parsed(rows, rejected.sort(SOURCE_ROW), tuple(faults)), frame.filter(good)


def _carried(rows: Rows, found: Layout) -> pl.DataFrame:
    """Every column of a block: features as numbers, the others as text."""
    if not rows.data:
        text = pl.DataFrame(schema=found.text_schema)
    else:
        text = pl.read_csv(
            rows.data,
            has_header=False,
            schema=found.text_schema,
            quote_char='"' if b'"' in rows.data else None,
            empty_string_is_null=False,
        )
    return text.select(
        rows.features[name] if name in found.features else pl.col(f"c{place}").fill_null("").alias(name)
        for place, name in enumerate(found.columns)
    )


def _with_predictions(
    frame: pl.DataFrame, parsed: Parsed, decided: Decided | None, names: tuple[str, ...], options: Options
) -> pl.DataFrame:
    rows = pl.Series(SOURCE_ROW, parsed.rows.numbers, pl.Int64)
    if decided is None:
        return frame.with_columns(rows)
    labels = pl.Series(list(names), dtype=pl.String).gather(decided.codes).alias(PREDICTION)
    added = [labels]
    if decided.probabilities is not None:
        shares = decided.probabilities.reshape(-1, len(names)).T
        added += [pl.Series(n, s) for n, s in zip(probability_names(names), shares, strict=True)]
    version = pl.lit(options.model_version).alias(MODEL_VERSION)
    return frame.with_columns(*added, version, rows)


def _empty(found: Layout, names: tuple[str, ...], options: Options) -> pl.DataFrame:
    added = added_columns(names, options.probabilities)
    return pl.DataFrame(schema=dict.fromkeys([*found.columns, *added], pl.String))


class _CsvFrames:
    """Frames as CSV, the header first."""

    def __init__(self, out: Sink, guard: Guard | None) -> None:
        self._out = out
        self._guard = guard
        self._is_first = True

    def write(self, frame: pl.DataFrame) -> None:
        shown = self._guard.frame(frame) if self._guard else frame
        self._out.write(shown.write_csv(include_header=self._is_first).encode())
        self._is_first = False

    def close(self) -> None:
        """Nothing is left to be written."""


class _ParquetFrames:
    """Frames as row groups of one Parquet file."""

    def __init__(self, out: Sink) -> None:
        self._file: Any = _SinkFile(out)
        self._writer: pq.ParquetWriter | None = None

    def write(self, frame: pl.DataFrame) -> None:
        batch = frame.to_arrow()
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, batch.schema, compression="zstd")
        self._writer.write_table(batch.cast(self._writer.schema))

    def close(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()


class _SinkFile(io.RawIOBase):
    """A sink as the file that Arrow writes to."""

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


def _writer(options: Options, out: Sink, table: TableSchema) -> _CsvFrames | _ParquetFrames:
    if options.format == "parquet":
        return _ParquetFrames(out)
    return _CsvFrames(out, Guard(table) if options.csv_safe else None)


__all__ = ["SCHEMA", "converted", "scored"]
