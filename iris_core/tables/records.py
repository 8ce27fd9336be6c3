"""The structure of a block of CSV: finds where rows and fields end, and refuses a broken structure.

Positions in bytes are found with numpy, because polars silently fills a short row with nulls, and its errors
name neither the row nor what was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from iris_core.tables.findings import Check, Finding, rejection, too_large

Positions = NDArray[np.int32]
"""Places in a block; no block is so large that they need 64 bits."""

LONGEST_ROW_BYTES = 1 << 20
"""Every comma and quote of a row takes several times its byte while it is looked at."""
LONGEST_ROW = f"{LONGEST_ROW_BYTES >> 20} MB"
AT_MOST = f"rows of at most {LONGEST_ROW}"
UNCLOSED = "a quote that is never closed"
PLACES_AT_ONCE = 256 << 10
NEWLINE, RETURN, COMMA, QUOTE = b"\n"[0], b"\r"[0], b","[0], b'"'[0]
_NO_VALUE = np.zeros(256, np.bool_)
_NO_VALUE[[*b' \t\v\f\r\n"\x1a']] = True
_BLANKS = [chr(code).encode() for code in (0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029)]
_BLANKS += [chr(code).encode() for code in (0x202F, 0x205F, 0x3000)]
"""Unicode's blanks beyond ASCII, all of which polars strips from cells."""


@dataclass(frozen=True, eq=False)
class Lines:
    """Rows as bytes, each ended by a newline; `ends` are the newlines' places."""

    data: bytes
    ends: Positions

    def kept(self, keep: NDArray[np.bool_]) -> Lines:
        """The rows under a mask, without a carriage return before their newline."""
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
    """Rows, with the places of the commas outside quotes and of all quotes."""

    commas: Positions
    quotes: Positions

    @property
    def starts(self) -> Positions:
        """The place where each row begins."""
        starts = np.empty_like(self.ends)
        starts[:1], starts[1:] = 0, self.ends[:-1] + 1
        return starts

    def row_of(self, position: int) -> int:
        """The row, counted from 0, of the byte at a place."""
        return int(np.searchsorted(self.ends, position))

    def fields(self) -> Positions:
        """The number of fields of each row."""
        return np.diff(np.searchsorted(self.commas, self.ends), prepend=0) + 1

    def blank(self) -> NDArray[np.bool_]:
        """A mask of the rows without any value: with only blanks and quotes between their commas."""
        text = np.frombuffer(_with_plain_blanks(self.data), np.uint8)
        printed = np.cumsum(~_NO_VALUE[text], dtype=np.int32)[self.ends]
        return np.equal(np.diff(printed, prepend=0), self.fields() - 1)


def _with_plain_blanks(data: bytes) -> bytes:
    """The same bytes, with spaces in place of other blanks."""
    if not data.isascii():
        for blank in _BLANKS:
            data = data.replace(blank, b" " * len(blank))
    return data


def scan(data: bytes) -> Records:
    """Find rows and fields in bytes that begin outside quotes."""
    text = np.frombuffer(data, np.uint8)
    if b'"' not in data:
        return Records(data, places(text, NEWLINE), places(text, COMMA), np.empty(0, np.int32))
    quotes = text == QUOTE
    outside = ~np.logical_xor.accumulate(quotes)
    ends, commas = _set((text == NEWLINE) & outside), _set((text == COMMA) & outside)
    return Records(data, ends, commas, _set(quotes))


def places(text: NDArray[np.uint8], sign: int) -> Positions:
    """The places of one byte in a text."""
    return _set(text == sign)


def _set(mask: NDArray[np.bool_]) -> Positions:
    """Where a mask is set; numpy alone would take twice the memory for places of 64 bits."""
    found = np.empty(np.count_nonzero(mask), np.int32)
    end = 0
    for start in range(0, mask.size, PLACES_AT_ONCE):
        some = np.flatnonzero(mask[start : start + PLACES_AT_ONCE])
        found[end : end + some.size] = some + start
        end += some.size
    return found


def count_rows(data: bytes) -> int:
    """The number of rows that end in bytes that begin outside quotes."""
    if b'"' in data:
        return int(scan(data).ends.size)
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == NEWLINE))


def check_closed(data: bytes, records: Records, row: int, where: str) -> None:
    """Refuse a quote that is never closed, and a row that never ends.

    :param data: a block.
    :param records: its structure.
    :param row: the number of its first row.
    :param where: the file, for the message.
    :raises DataRejected: the message names the row.
    """
    if records.quotes.size % 2:
        opened = row + records.row_of(int(records.quotes[-1]))
        is_cut = len(data) >= LONGEST_ROW_BYTES
        found = f"a quote that is not closed within {LONGEST_ROW}" if is_cut else UNCLOSED
        _refuse(where, "unclosed_quote", opened, found, "a second one")
    if not data.endswith(b"\n"):
        row += records.ends.size
        raise too_large(where, f"{len(data) >> 20} MB without the end of the row", AT_MOST, row)


def has_long_line(data: bytes) -> bool:
    """Whether a line may have more than `LONGEST_ROW_BYTES`: a half of that, at any of its multiples, has no
    newline."""
    half = LONGEST_ROW_BYTES // 2
    starts = range(0, len(data) - half + 1, half)
    return any(data.find(b"\n", start, start + half) < 0 for start in starts)


def check_lengths(records: Records, row: int, where: str) -> None:
    """Refuse a row of more than `LONGEST_ROW_BYTES`; `row` numbers the first."""
    lengths = np.diff(records.ends, prepend=-1)
    if lengths.max(initial=0) > LONGEST_ROW_BYTES:
        at = int(np.argmax(lengths > LONGEST_ROW_BYTES))
        raise too_large(where, f"a row of {int(lengths[at]):,} bytes", AT_MOST, row + at)


def check_quotes(records: Records, row: int, where: str) -> None:
    """Refuse a quote inside a value, whose meaning differs between readers.

    :param records: a block's structure.
    :param row: the number of its first row.
    :param where: the file, for the message.
    :raises DataRejected: the message names the row.
    """
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
    """A number of fields, in words."""
    return f"{fields} field{'' if fields == 1 else 's'}"


def _refuse(where: str, check: Check, row: int, found: str, expected: str) -> NoReturn:
    raise rejection(where, [Finding(check=check, rows=(row,), count=1, found=found, expected=expected)])
