"""A table of numbers, fast: blocks are parsed side by side, straight to doubles.

Where a block holds anything but plain numbers in the wanted columns (a missing value, blanks around one, a
blank line, a broken row), that block alone is read again as text: the result is the same, only slower.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import polars as pl

from iris_core.tables.blocks import blocks
from iris_core.tables.cells import numbers
from iris_core.tables.findings import rejection
from iris_core.tables.frames import Batch, Table, missing_columns

BYTES = 4 << 20
COMMA = ord(",")
WORKERS = 3
AHEAD = 2
"""Blocks held beside those being worked on: memory stays bounded."""

Measured = TypeVar("Measured")
Fast = tuple[pl.DataFrame, Measured] | None


def numeric_batches(
    chunks: Iterable[bytes],
    where: str,
    names: Sequence[str],
    carried: Sequence[str],
    measure: Callable[[pl.DataFrame], Measured],
    text: Callable[[pl.DataFrame, pl.DataFrame], None],
    size: int = BYTES,
) -> Iterator[tuple[pl.DataFrame, Measured]]:
    """Frames of `names` as Float64 and of those `carried` columns that exist as text, in the rows' order.

    :param measure: is computed for each frame beside the parsing, in a thread.
    :param text: is told of the cells and numbers of every frame that was read as text.
    :raises DataRejected: as `batches`, or a column is missing.
    """
    table = Table(where)

    def slowly(found: Iterable[Batch]) -> Iterator[tuple[pl.DataFrame, Measured]]:
        for batch in found:
            if absent := missing_columns(batch.frame.columns, names):
                raise rejection(where, absent)
            values = numbers(batch.frame, names)
            text(batch.frame, values)
            kept = [name for name in carried if name in batch.frame.columns]
            frame = values.hstack(batch.frame.select(kept))
            yield frame, measure(frame)

    with ThreadPoolExecutor(WORKERS) as pool:
        for data, parsed in _ahead(pool, blocks(chunks, size), table, names, carried, measure):
            result = parsed.result() if parsed else None
            if result is None:
                yield from slowly(table.read(data))
            else:
                table.pass_rows(result[0].height)
                yield result
    yield from slowly(table.end())


def _ahead(
    pool: ThreadPoolExecutor,
    pieces: Iterator[bytes],
    table: Table,
    names: Sequence[str],
    carried: Sequence[str],
    measure: Callable[[pl.DataFrame], Measured],
) -> Iterator[tuple[bytes, Future[Fast[Measured]] | None]]:
    """Blocks with their parsing under way; none for those before the header is known."""
    waiting: deque[tuple[bytes, Future[Fast[Measured]]]] = deque()
    for data in pieces:
        if table.columns is None:
            yield data, None
            continue
        waiting.append((data, pool.submit(_parsed, data, table.columns, names, carried, measure)))
        if len(waiting) >= WORKERS + AHEAD:
            yield waiting.popleft()
    yield from waiting


def _parsed(
    data: bytes,
    columns: Sequence[str],
    names: Sequence[str],
    carried: Sequence[str],
    measure: Callable[[pl.DataFrame], Measured],
) -> Fast[Measured]:
    """The block as numbers, and its measure; None unless every wanted cell is plainly one."""
    if b'"' in data:
        return None
    wanted = {*names, *carried}
    try:
        frame = pl.read_csv(
            data,
            has_header=False,
            schema={name: pl.Float64 if name in names else pl.String for name in columns},
            columns=[place for place, name in enumerate(columns) if name in wanted],
            empty_string_is_null=False,
            quote_char=None,
        )
    except pl.exceptions.PolarsError:
        return None
    # polars refuses a row with more fields than columns, and fills one with fewer: then commas are missing.
    if np.count_nonzero(np.frombuffer(data, np.uint8) == COMMA) != frame.height * (len(columns) - 1):
        return None
    if any(count for row in frame.null_count().iter_rows() for count in row):
        return None
    if any(frame[name].is_nan().any() for name in names):
        return None
    frame = frame.select(*names, *(name for name in carried if name in columns))
    return frame, measure(frame)
