"""Reads tables (CSV, gzip and Parquet) into typed batches, in one pass and in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol, TypeVar

from iris_core.tables.batch import Batch, Wanted
from iris_core.tables.blocks import BLOCK_BYTES, blocks
from iris_core.tables.delimited import Delimited, numbered
from iris_core.tables.findings import missing_columns, rejection
from iris_core.tables.formats import FIRST_BYTES, GZIP, UTF8_BOM, is_parquet, unzipped
from iris_core.tables.header import NO_VALUE, read_header
from iris_core.tables.inputs import Input, ranges
from iris_core.tables.memory import spared_memory
from iris_core.tables.ordered import ordered
from iris_core.tables.parquet import Parquet
from iris_core.tables.records import count_rows

WORKERS = 3
"""How many batches are processed at once. The heavy parts of polars, Arrow and BLAS release Python's lock.
The number is one more than the cores of a small machine, since threads also write and wait for that lock."""
BELOW_HEADER = 64 << 10
"""Bytes below a supposed header that are searched, too: it may be a title above the header."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Range:
    """Whole rows of a plain CSV: bytes [start, end), the first row's number; the header ends at `head`."""

    head: int
    start: int
    end: int
    first_row: int

    @property
    def is_first(self) -> bool:
        """Whether it has the file's first rows. One without rows never has."""
        return self.start == self.head < self.end


class Layout(Protocol):
    """Turns the pieces of a table into batches; `line` is its header as a line of CSV with these `fields`."""

    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def fields(self) -> tuple[str, ...]: ...
    @property
    def line(self) -> bytes: ...
    def batch(self, piece: Any) -> Batch:
        """The batch of a piece's rows."""

    def empty(self) -> Batch:
        """A batch without rows."""


@dataclass(frozen=True, eq=False)
class Table:
    """An open table: its columns, and its rows in typed batches, which can be read once."""

    where: str
    layout: Layout
    pieces: Iterator[Any]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names; several nameless columns count as one."""
        return self.layout.columns

    @property
    def line(self) -> bytes:
        """The header as a line of CSV; for a CSV, its own bytes."""
        return self.layout.line

    @property
    def fields(self) -> tuple[str, ...]:
        """The names in that line, including each nameless one."""
        return self.layout.fields

    def batches(self) -> Iterator[Batch]:
        """The rows, in their order; a table without rows yields one batch without rows.

        :raises DataRejected: a fault below the header: damage, broken quotes, uneven rows.
        """
        return self.each(lambda batch: batch)

    def each(self, work: Callable[[Batch], Result], workers: int = WORKERS) -> Iterator[Result]:
        """The result of `work` for each batch, in the rows' order. `work` runs in threads during the reading.

        What the batches took is given back to the system at the end (`tables.memory`).

        :param work: called with each batch.
        :param workers: the number of threads.
        """
        is_empty = True
        with spared_memory():
            for _, result in ordered(self.pieces, lambda piece: work(self.layout.batch(piece)), workers):
                is_empty = False
                yield result
            if is_empty:
                yield work(self.layout.empty())


def read(given: Input, wanted: Wanted, part: Range | None = None, block_bytes: int = BLOCK_BYTES) -> Table:
    """Open a table.

    :param given: the table's bytes.
    :param wanted: the columns to read.
    :param part: read only these rows of a plain CSV; None reads all rows.
    :param block_bytes: approximate bytes of a CSV in a batch.
    :raises DataRejected: the format or the header cannot be read, or a required column is missing: the
        message names the missing columns, and the ones that were probably meant.
    """
    table = _opened(given, wanted, part, block_bytes)
    if wanted.required and (absent := missing_columns(table.columns, wanted.required)):
        raise rejection(given.where, absent)
    return table


def _opened(given: Input, wanted: Wanted, part: Range | None, block_bytes: int) -> Table:
    first = given.read(0, min(FIRST_BYTES, given.size))
    if is_parquet(first):
        parquet = Parquet(given, wanted)
        return Table(given.where, parquet, parquet.slices())
    if part and not part.is_first:
        top = given.read(0, min(part.head + BELOW_HEADER, given.size))
        layout = Delimited(read_header(top, given.where, wanted.names), wanted, given.where)
        rest = blocks(ranges(given, part.start, part.end), block_bytes, start=part.start)
        return Table(given.where, layout, numbered(rest, part.first_row, part.start))
    pieces: Iterable[bytes] = ranges(given, 0, part.end if part else given.size)
    is_packed = first.startswith(GZIP)
    if is_packed:
        pieces = unzipped(pieces, given, block_bytes)
    return _delimited(pieces, wanted, given.where, is_packed, block_bytes)


def _delimited(
    pieces: Iterable[bytes], wanted: Wanted, where: str, is_packed: bool, block_bytes: int
) -> Table:
    """Open a CSV whose bytes are read in sequence."""
    whole = blocks(pieces, block_bytes)
    first, row, place = next(whole, b""), 1, 0
    while not first.removeprefix(UTF8_BOM).strip(NO_VALUE) and (more := next(whole, b"")):
        row, place, first = row + count_rows(first), place + len(first), more
    header = read_header(first, where, wanted.names, row, is_packed)
    rows = numbered(chain([first[header.end :]], whole), header.first_row, place + header.end)
    return Table(where, Delimited(header, wanted, where), rows)
