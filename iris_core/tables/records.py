"""The structure of a block of CSV: where rows and fields end, and what breaks that structure.

Positions are counted in bytes with numpy, because polars fills a short row with nulls in silence and
says of other faults neither the row nor what was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from iris_core.tables.findings import Check, Finding, rejection

Positions = NDArray[np.int64]

_NEWLINE, _RETURN, _COMMA, _QUOTE = b"\n"[0], b"\r"[0], b","[0], b'"'[0]
_BLANKS = np.frombuffer(b" \t\r\n", np.uint8)


@dataclass(frozen=True, eq=False)
class Records:
    """Byte positions of the newlines and commas outside quotes, and of all quotes."""

    text: NDArray[np.uint8]
    ends: Positions
    commas: Positions
    quotes: Positions

    @property
    def starts(self) -> Positions:
        """Where each row begins."""
        return np.concatenate(([0], self.ends[:-1] + 1))

    def row_of(self, position: int) -> int:
        """The row, counted from 0, that a byte belongs to."""
        return int(np.searchsorted(self.ends, position))

    def fields(self) -> Positions:
        """How many fields each row has."""
        return np.diff(np.searchsorted(self.commas, self.ends), prepend=0) + 1

    def blank(self) -> NDArray[np.bool_]:
        """Which rows hold blanks only."""
        printed = np.cumsum(~np.isin(self.text, _BLANKS), dtype=np.int32)[self.ends]
        return np.equal(np.diff(printed, prepend=0), 0)

    def is_even(self, width: int) -> bool:
        """Whether every row has `width` fields, more than one: decided without counting by row."""
        if width < 2 or self.commas.size != (width - 1) * self.ends.size:
            return False
        grid = self.commas.reshape(-1, width - 1)
        return bool(np.all(grid[:, -1] < self.ends) and np.all(grid[1:, 0] > self.ends[:-1]))


def scan(data: bytes) -> Records:
    """Find rows and fields; `data` begins outside quotes."""
    text = np.frombuffer(data, np.uint8)
    ends, commas = np.flatnonzero(text == _NEWLINE), np.flatnonzero(text == _COMMA)
    if b'"' not in data:
        return Records(text, ends, commas, np.empty(0, np.int64))
    quotes = np.flatnonzero(text == _QUOTE)
    return Records(text, _outside(ends, quotes), _outside(commas, quotes), quotes)


def _outside(positions: Positions, quotes: Positions) -> Positions:
    outside: Positions = positions[np.searchsorted(quotes, positions) % 2 == 0]
    return outside


def without_blank_rows(data: bytes, records: Records, width: int) -> tuple[bytes, Positions | None]:
    """The block without its blank rows, and which rows, counted from 0, are left (None: all)."""
    if records.is_even(width):
        return data, None
    blank = records.blank()
    if not blank.any():
        return data, None
    kept = np.repeat(~blank, np.diff(records.ends, prepend=-1))
    return records.text[: kept.size][kept].tobytes(), np.flatnonzero(~blank)


def check_closed(data: bytes, records: Records, row: int, where: str) -> None:
    """Refuse a quote that is never closed, and a row that never ends; `row` numbers the first."""
    if records.quotes.size % 2:
        opened = row + records.row_of(int(records.quotes[-1]))
        _refuse(where, "unclosed_quote", opened, "a quote that is never closed", "a second one")
    if not data.endswith(b"\n"):
        row += records.ends.size
        _refuse(where, "format", row, f"{len(data) >> 20} MB without a line end", "rows on lines")


def check_quotes(records: Records, row: int, where: str) -> None:
    """Refuse a quote in the midst of a value: readers disagree on what it means."""
    opening, closing = records.quotes[::2], records.quotes[1::2]
    before = records.text[opening - 1]
    after = records.text[np.minimum(closing + 1, records.text.size - 1)]
    stray = ~np.isin(before, (_COMMA, _NEWLINE, _QUOTE)) & (opening > 0)
    stray |= ~np.isin(after, (_COMMA, _NEWLINE, _RETURN, _QUOTE))
    if stray.any():
        at = row + records.row_of(int(opening[np.argmax(stray)]))
        _refuse(where, "stray_quote", at, "a quote in the midst of a value", "quotes around whole values")


def check_fields(records: Records, width: int, row: int, where: str) -> None:
    """Refuse the first row, unless blank, that has not `width` fields as the header has."""
    if records.is_even(width):
        return
    fields = records.fields()
    uneven = (fields != width) & ~records.blank()
    if not uneven.any():
        return
    first = int(np.argmax(uneven))
    check: Check = "long_row" if fields[first] > width else "short_row"
    _refuse(where, check, row + first, _fields(int(fields[first])), f"{_fields(width)} as in the header")


def _fields(number: int) -> str:
    return f"{number} field{'' if number == 1 else 's'}"


def _refuse(where: str, check: Check, row: int, found: str, expected: str) -> NoReturn:
    raise rejection(where, [Finding(check=check, rows=(row,), count=1, found=found, expected=expected)])
