"""Turns blocks of a CSV's whole rows into typed batches.

A plain block (no quotes, every row as wide as the header, every feature of use) is parsed directly to
numbers. Any other block is examined row by row: the result is the same, only slower.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock
from typing import NoReturn

import numpy as np
import polars as pl

from iris_core.errors import DataRejected
from iris_core.tables.batch import Batch, Numbers, Uneven, Wanted
from iris_core.tables.blocks import DOS_END
from iris_core.tables.cells import Classes, is_finite
from iris_core.tables.findings import Check, Finding, missing_columns, rejection, shown
from iris_core.tables.formats import UTF8_BOM
from iris_core.tables.header import BLANK, Header, check_encoding
from iris_core.tables.kinds import Kinds, is_usable
from iris_core.tables.records import (
    COMMA,
    NEWLINE,
    Lines,
    check_closed,
    check_lengths,
    check_quotes,
    count_rows,
    has_long_line,
    places,
    scan,
    width_of,
)

MOST_ROWS, SHORT_ROWS = 100_000, 25_000
"""A block of more rows than the first is cut into parts of the second: each row takes memory of its own,
however few bytes it has."""
MOST_QUOTES, MANY_COLUMNS, LARGEST_BLOCK_BYTES = 1 << 20, 1_000, 4 << 20
"""A block of more takes many times its bytes while it is worked on: one at a time."""
_OTHERS = bytes({*range(256)} - {COMMA, NEWLINE})


@dataclass(frozen=True)
class Block:
    """A block of `rows` whole rows; the first has number `first_row`, the last ends at byte `place`."""

    data: bytes
    first_row: int
    rows: int
    place: int

    @cached_property
    def is_quoted(self) -> bool:
        """Whether it has quotes."""
        return b'"' in self.data


def numbered(blocks: Iterable[bytes], first_row: int, place: int) -> Iterator[Block]:
    """Number the rows of blocks.

    :param blocks: whole rows, in order.
    :param first_row: the number of the first row.
    :param place: the byte of the input where the first block begins.
    """
    for data in blocks:
        start = 0
        for end, rows in _parts(data):
            yield Block(data[start:end], first_row, rows, place + end)
            start, first_row = end, first_row + rows
        place += len(data)


def _parts(data: bytes) -> Iterator[tuple[int, int]]:
    """Where the parts of a block end, and how many rows each has."""
    rows = count_rows(data)
    if rows <= MOST_ROWS:
        yield from [(len(data), rows)] if data else []
        return
    ends = scan(data).ends + 1
    for start in range(0, rows, SHORT_ROWS):
        end = min(start + SHORT_ROWS, rows)
        yield (int(ends[end - 1]) if end < rows else len(data)), end - start


def _is_any_empty(features: pl.DataFrame) -> bool:
    """Whether some row has no feature: it may be blank."""
    return bool(features.select(pl.all_horizontal(pl.all().is_nan()).any()).item())


def _is_nan_signed(frame: pl.DataFrame, data: bytes) -> bool:
    """Whether a NaN may have a sign: polars reads it, but here it is no number, and not missing either."""
    amounts = (column for column in frame if column.dtype == pl.Float64)
    has_nan = any(column.is_nan().any() for column in amounts)
    return has_nan and any(signed in data.lower() for signed in (b"-nan", b"+nan"))


class Delimited:
    """Reads the blocks below a CSV's header; nameless columns except the first must hold no value."""

    def __init__(self, header: Header, wanted: Wanted, where: str) -> None:
        self.line, self.fields = header.line, header.columns
        self.columns = tuple(dict.fromkeys(header.columns))
        self._wanted, self._where, self._classes = wanted, where, Classes(wanted.classes)
        self._width = len(header.columns)
        self._places = {name: place for place, name in reversed([*enumerate(header.columns)])}
        self._nameless = [place for place, name in enumerate(header.columns) if not name][1:]
        self._features, self._labels = self._found(wanted.features), self._found(wanted.labels)
        rest = [name for name in self.columns if name not in wanted.names] if wanted.has_rest else []
        self._text = (*self._found(wanted.text), *rest)
        self._kinds = Kinds(wanted.kinds)
        self._amounts = [name for name in self._features if not self._kinds.is_coded(name)]
        self._turn = Lock()

    def _found(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name in self._places)

    def batch(self, block: Block) -> Batch:
        """The rows of a block.

        :raises DataRejected: the block is not UTF-8, a quote is not closed or stands inside a value, a
            nameless column holds a value, a row is too long, or a row has more or fewer fields than the
            header and is not set apart.
        """
        with self._turn if self._is_heavy(block) else nullcontext():
            return self._read_block(block)

    def _is_heavy(self, block: Block) -> bool:
        if self._width > MANY_COLUMNS or len(block.data) > LARGEST_BLOCK_BYTES:
            return True
        # To look for one quote is five times as fast as to count them.
        return block.is_quoted and block.data.count(b'"') > MOST_QUOTES

    def _read_block(self, block: Block) -> Batch:
        if has_long_line(block.data):
            check_lengths(scan(block.data), block.first_row, self._where)
        if not block.data.isascii() or b"\0" in block.data:
            check_encoding(block.data, block.first_row, self._where)
        if block.data.endswith(b"\n") and block.data[:1] in BLANK and not block.data.strip(BLANK):
            block = replace(block, data=b"", rows=0)
        plain = self._plain(block)
        return self._careful(block) if plain is None else plain

    def empty(self) -> Batch:
        """A batch without rows."""
        return self._careful(Block(b"", 0, 0, 0))

    def _plain(self, block: Block) -> Batch | None:
        data = block.data
        if block.is_quoted or DOS_END in data or data.startswith(UTF8_BOM) or not data.endswith(b"\n"):
            return None
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
            if b"\r" in data:
                return None
        # polars fills a row with fewer fields, and leaves out what is behind the last column that it reads.
        row, signs = b"," * (self._width - 1) + b"\n", data.translate(None, _OTHERS)
        if len(signs) != block.rows * len(row) or signs != row * block.rows:
            return None
        try:
            frame = self._parsed(data, self._amounts, is_quoted=False)
        except pl.exceptions.PolarsError:
            return None
        features = self._read_features(frame)
        if frame.height != block.rows or not self._is_plain(frame, features) or _is_nan_signed(frame, data):
            return None
        has_lines = self._wanted.carried == "lines"
        ends = places(np.frombuffer(data, np.uint8), NEWLINE) if has_lines else np.empty(0, np.int32)
        return self._batch(block, np.arange(block.rows), features, frame, Lines(data, ends))

    def _read_features(self, frame: pl.DataFrame) -> pl.DataFrame:
        cells = frame.select(self._columns(self._features))
        return self._kinds.read(cells) if self._kinds else cells

    def _is_plain(self, frame: pl.DataFrame, features: pl.DataFrame) -> bool:
        """Whether every feature can be used, no row is blank, and nameless columns are empty."""
        if not all(map(is_finite, features)) and (
            not self._kinds or not is_usable(features) or _is_any_empty(features)
        ):
            return False
        if not features.width and (frame[:, 0].str.strip_chars() == "").any():
            return False
        return all((frame[f"c{place}"] == "").all() for place in self._nameless)

    def _careful(self, block: Block) -> Batch:
        found = scan(block.data)
        if block.data:
            check_closed(block.data, found, block.first_row, self._where)
        check_lengths(found, block.first_row, self._where)
        check_quotes(found, block.first_row, self._where)
        fields, blank = found.fields(), found.blank()
        even, uneven = ~blank & (fields == self._width), np.flatnonzero(~blank & (fields != self._width))
        apart = Uneven(uneven + block.first_row, fields[uneven], self._width)
        if uneven.size and not self._wanted.sets_apart:
            self._refuse_uneven(apart)
        lines, rows = found.kept(even), np.flatnonzero(even)
        frame = self._as_text(lines.data, block.first_row)
        if frame.height != rows.size:
            raise self._no_csv(block.first_row, "quotes that split rows otherwise than line ends do")
        self._check_nameless(frame, rows + block.first_row)
        features = self._kinds.read(frame.select(self._columns(self._features)))
        batch = self._batch(block, rows, features, frame, lines)
        return replace(batch, is_plain=is_usable(features), uneven=apart if uneven.size else None)

    def _batch(
        self, block: Block, rows: Numbers, features: pl.DataFrame, frame: pl.DataFrame, lines: Lines
    ) -> Batch:
        """The batch of a block whose features can all be used.

        :param block: the block.
        :param rows: the block's rows that are kept, counted from 0.
        :param features: the features as numbers.
        :param frame: the parsed columns: labels and text as text.
        :param lines: the rows as they are in the file.
        """
        names, carried = (*self._features, *self._labels), self._wanted.carried
        return Batch(
            numbers=rows + block.first_row,
            features=features,
            labels={name: self._classes.read(frame[f"c{self._places[name]}"]) for name in self._labels},
            text=frame.select(self._columns(self._text)),
            cells=lambda: self._as_text(lines.data, block.first_row).select(self._columns(names)),
            is_plain=True,
            lines=lines if carried == "lines" else None,
            frame=self._whole(lines.data, features) if carried == "frame" else None,
            place=block.place,
        )

    def _whole(self, data: bytes, features: pl.DataFrame) -> pl.DataFrame:
        """All columns: amounts as numbers, the others as text."""
        text = self._read(data, dict.fromkeys(range(self._width), pl.String), b'"' in data)
        amounts = features.select(pl.col(self._amounts).fill_nan(None))
        return text.fill_null("").select(self._columns(self.columns)).with_columns(amounts)

    def _columns(self, names: Iterable[str]) -> list[pl.Expr]:
        return [pl.col(f"c{self._places[name]}").alias(name) for name in names]

    def _as_text(self, data: bytes, row: int) -> pl.DataFrame:
        try:
            return self._parsed(data, (), is_quoted=b'"' in data).fill_null("")
        except pl.exceptions.PolarsError as error:
            raise self._no_csv(row, str(error).splitlines()[0][:120]) from error

    def _parsed(self, data: bytes, numeric: Iterable[str], is_quoted: bool) -> pl.DataFrame:
        """Parse the wanted columns: `numeric` ones as numbers, others as text; columns are named by place.

        :raises PolarsError: a cell is no number, or a row has too many fields.
        """
        wanted = [self._places[name] for name in (*self._features, *self._labels, *self._text)]
        kinds: dict[int, type[pl.DataType]] = dict.fromkeys((*wanted, *self._nameless), pl.String)
        kinds |= dict.fromkeys((self._places[name] for name in numeric), pl.Float64)
        return self._read(data, kinds, is_quoted)

    def _read(self, data: bytes, kinds: dict[int, type[pl.DataType]], is_quoted: bool) -> pl.DataFrame:
        schema = {f"c{place}": kinds.get(place, pl.String) for place in range(self._width)}
        if not data:
            return pl.DataFrame(schema=schema)
        # polars strips a byte order mark from the first row, but here it is a part of the first cell.
        above = b"," * (self._width - 1) + b"\n" if data.startswith(UTF8_BOM) else b""
        frame = pl.read_csv(
            above + data if above else data,
            has_header=False,
            schema=schema,
            columns=sorted(kinds) or [0],
            quote_char='"' if is_quoted else None,
            empty_string_is_null=False,
        )
        return frame.slice(1) if above else frame

    def _check_nameless(self, frame: pl.DataFrame, numbers: Numbers) -> None:
        for place in self._nameless:
            cells = frame[f"c{place}"]
            filled = (cells.str.strip_chars() != "").arg_true()
            if len(filled):
                found = f"{shown(cells[filled[0]])} in column {place + 1}, which has no name"
                row = int(numbers[filled[0]])
                finding = Finding(
                    check="header", rows=(row,), count=1, found=found, expected="a name for every column"
                )
                raise rejection(self._where, [finding])

    def _refuse_uneven(self, rows: Uneven) -> NoReturn:
        if self._wanted.names and not set(self.columns) & set(self._wanted.names):
            raise rejection(self._where, missing_columns(self.columns, self._wanted.names))
        found, expected = width_of(int(rows.fields[0])), f"{width_of(rows.width)} as in the header"
        check: Check = "long_row" if rows.fields[0] > rows.width else "short_row"
        finding = Finding(check=check, rows=(int(rows.numbers[0]),), count=1, found=found, expected=expected)
        raise rejection(self._where, [finding])

    def _no_csv(self, row: int, found: str) -> DataRejected:
        told = f"what is no CSV ({found})"
        return rejection(
            self._where,
            [Finding(check="format", rows=(row,), count=1, found=told, expected="rows of fields")],
        )
