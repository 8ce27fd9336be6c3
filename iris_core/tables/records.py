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

Positions = NDArray[np.int32]
"""Places in a block, which is never so large that they need more."""

NEWLINE, RETURN, COMMA, QUOTE = b"\n"[0], b"\r"[0], b","[0], b'"'[0]
_NO_VALUE = np.zeros(256, np.bool_)
_NO_VALUE[[*b' \t\v\f\r\n"\x1a']] = True
_BLANKS = [chr(code).encode() for code in (0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029)]
_BLANKS += [chr(code).encode() for code in (0x202F, 0x205F, 0x3000)]
"""Unicode's blanks beyond ASCII: polars takes all of them off the ends of a cell."""


@dataclass(frozen=True, eq=False)
class Lines:
    """Rows as their bytes, each ended by a newline at `ends`."""

    data: bytes
    ends: Positions

    def kept(self, keep: NDArray[np.bool_]) -> Lines:
        """Some of the rows, without the carriage return before their newline."""
        ends, text = self.ends, np.frombuffer(self.data, np.uint8)
        lengths = np.diff(ends, prepend=-1)
        returns = (lengths > 1) & (text[np.maximum(ends - 1, 0)] == RETURN)
        if keep.all() and not returns.any():
            return self
        mask = np.repeat(keep, lengths)
        mask[ends[returns] - 1] = False
        return Lines(
            text[: mask.size][mask].tobytes(), np.cumsum((lengths - returns)[keep], dtype=np.int32) - 1
        )


@dataclass(frozen=True, eq=False)
class Records(Lines):
    """Rows, the places of the commas outside quotes, and those of all quotes."""

    commas: Positions
    quotes: Positions

    @property
    def starts(self) -> Positions:
        """Where each row begins."""
        starts = np.empty_like(self.ends)
        starts[:1], starts[1:] = 0, self.ends[:-1] + 1
        return starts

    def row_of(self, position: int) -> int:
        """The row, counted from 0, that a byte belongs to."""
        return int(np.searchsorted(self.ends, position))

    def fields(self) -> Positions:
        """How many fields each row has."""
        return np.diff(np.searchsorted(self.commas, self.ends), prepend=0) + 1

    def blank(self) -> NDArray[np.bool_]:
        """Which rows hold no value: nothing but blanks and quotes between their commas."""
        text = np.frombuffer(_with_plain_blanks(self.data), np.uint8)
        printed = np.cumsum(~_NO_VALUE[text], dtype=np.int32)[self.ends]
        return np.equal(np.diff(printed, prepend=0), self.fields() - 1)


def _with_plain_blanks(data: bytes) -> bytes:
    """The same bytes with spaces in the place of other blanks."""
    if not data.isascii():
        for blank in _BLANKS:
            data = data.replace(blank, b" " * len(blank))
    return data


def scan(data: bytes) -> Records:
    """Find rows and fields; `data` begins outside quotes."""
    text = np.frombuffer(data, np.uint8)
    ends, commas = places(text, NEWLINE), places(text, COMMA)
    if b'"' not in data:
        return Records(data, ends, commas, np.empty(0, np.int32))
    quotes = places(text, QUOTE)
    return Records(data, _outside(ends, quotes), _outside(commas, quotes), quotes)


def places(text: NDArray[np.uint8], sign: int) -> Positions:
    """Where a byte stands."""
    return np.flatnonzero(text == sign).astype(np.int32)


def _outside(positions: Positions, quotes: Positions) -> Positions:
    outside: Positions = positions[np.searchsorted(quotes, positions) % 2 == 0]
    return outside


def count_rows(data: bytes) -> int:
    """How many rows end in bytes that begin outside quotes."""
    if b'"' in data:
        return int(scan(data).ends.size)
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == NEWLINE))


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
    text = np.frombuffer(records.data, np.uint8)
    opening, closing = records.quotes[::2], records.quotes[1::2]
    before = text[opening - 1]
    after = text[np.minimum(closing + 1, text.size - 1)]
    stray = ~np.isin(before, (COMMA, NEWLINE, QUOTE)) & (opening > 0)
    stray |= ~np.isin(after, (COMMA, NEWLINE, RETURN, QUOTE))
    if stray.any():
        at = row + records.row_of(int(opening[np.argmax(stray)]))
        _refuse(where, "stray_quote", at, "a quote in the midst of a value", "quotes around whole values")


def width_of(fields: int) -> str:
    """A row's width, in words."""
    return f"{fields} field{'' if fields == 1 else 's'}"


def _refuse(where: str, check: Check, row: int, found: str, expected: str) -> NoReturn:
    raise rejection(where, [Finding(check=check, rows=(row,), count=1, found=found, expected=expected)])
