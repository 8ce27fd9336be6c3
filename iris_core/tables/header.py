"""Reads a CSV's header: the first row that holds a value."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NoReturn

from iris_core.tables.findings import Check, Finding, rejection, shown, too_large
from iris_core.tables.formats import UTF8_BOM, check_format
from iris_core.tables.records import check_closed, check_quotes, scan

BLANK = b" \t\v\f\r\n,\x1a"
NO_VALUE = BLANK + b'"'
MOST_COLUMNS = 6_000
"""Beside those that are asked for: each takes kilobytes of every block."""
SEARCHED_ROWS = 20
"""The header is searched in so many rows below a title."""
_SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'"}


@dataclass(frozen=True)
class Header:
    """A CSV's header: its bytes, its names, the byte where the rows begin, and the first row's number."""

    line: bytes
    columns: tuple[str, ...]
    end: int
    first_row: int


def read_header(
    data: bytes, where: str, wanted: Collection[str] = (), first_row: int = 1, is_unpacked: bool = False
) -> Header:
    """Find the header in a file's first block; rows without a value before it are skipped.

    :param data: the block.
    :param where: the file, for messages.
    :param wanted: names of wanted columns, by which a header is distinguished from a title above it.
    :param first_row: the number of the block's first row.
    :param is_unpacked: whether the bytes come from a gzip file.
    :raises DataRejected: the file is empty, not UTF-8 or not comma-separated, a name occurs twice, or a title
        stands above the header.
    """
    if not data:
        _refuse(where, "empty", "no bytes", "a header and rows")
    check_format(data, where, is_unpacked)
    rows = _rows(data, len(UTF8_BOM) if data.startswith(UTF8_BOM) else 0, first_row)
    row, whole, end = next((found for found in rows if found[1].strip(NO_VALUE)), (0, b"", 0))
    if not row:
        _refuse(where, "empty", "nothing but blanks", "a header and rows")
    found = scan(whole)
    check_closed(whole, found, row, where)
    line = whole[:-1].removesuffix(b"\r")
    check_encoding(line, row, where)
    check_width(found.commas.size + 1, len(wanted), where, row)
    most = max(MOST_COLUMNS, len(wanted))
    searched = (found for found in islice(rows, SEARCHED_ROWS) if found[1].count(b",") <= most)
    below = [(number, _names(text)) for number, text, _ in searched] if wanted else []
    _check_title(line, row, below, wanted, where)
    columns = _columns(line.decode(), row, where)
    check_quotes(found, row, where)
    return Header(line, columns, end, row + 1)


def check_width(columns: int, wanted: int, where: str, row: int | None = None) -> None:
    """Refuse a table of too many columns.

    :param wanted: how many are asked for, which do not count.
    :param row: the header's number, where there is one.
    """
    if columns > MOST_COLUMNS + wanted:
        raise too_large(where, f"{columns:,} columns", f"at most {MOST_COLUMNS + wanted:,}", row)


def check_encoding(data: bytes, row: int, where: str) -> None:
    """Refuse bytes that are not UTF-8.

    :param data: a block.
    :param row: the number of its first row.
    :param where: the file, for the message.
    :raises DataRejected: the message names the row of the first such byte.
    """
    if b"\0" in data:
        at = row + scan(data[: data.index(b"\0")]).ends.size
        _refuse(where, "encoding", "NUL bytes, as in UTF-16", "UTF-8", at)
    try:
        data.decode()
    except UnicodeDecodeError as error:
        found = f"byte 0x{data[error.start]:02X}, which is not UTF-8 (Latin-1 or Windows-1252?)"
        _refuse(where, "encoding", found, "UTF-8", row + scan(data[: error.start]).ends.size)


def _rows(data: bytes, start: int, row: int) -> Iterator[tuple[int, bytes, int]]:
    """Each row's number, its bytes, and the place where it ends."""
    while start < len(data):
        end, quotes = start, 0
        while True:
            newline = data.find(b"\n", end)
            quotes += data.count(b'"', end, newline if newline >= 0 else len(data))
            end = newline + 1 if newline >= 0 else len(data)
            if newline < 0 or quotes % 2 == 0:
                break
        yield row, data[start:end], end
        start, row = end, row + 1


def _check_title(
    line: bytes,
    row: int,
    below: list[tuple[int, tuple[str, ...]]],
    wanted: Collection[str],
    where: str,
) -> None:
    """Refuse a line above the header: a title, a comment, Excel's `sep=`."""
    text, known = line.decode(), set(wanted)
    if known.intersection(_names(line)):
        return
    header = next(
        (number for number, names in below if 2 * len(known.intersection(names)) >= len(known)), None
    )
    if header is not None:
        found = f"{shown(text)}, and the columns' names in row {header}"
    elif text.lower().startswith("sep="):
        found = f"{shown(text)}, which names a separator"
    elif text.startswith("#"):
        found = f"{shown(text)}, a comment"
    else:
        return
    _refuse(where, "title", found, "the columns' names", row)


def _columns(text: str, row: int, where: str) -> tuple[str, ...]:
    """The names in the header's line.

    :raises DataRejected: the separator is not ',', lines end in a carriage return alone, or a name occurs
        twice.
    """
    if "\r" in text:
        _refuse(where, "format", "carriage returns alone at line ends", "newlines", row)
    for separator, name in _SEPARATORS.items():
        if separator in text and "," not in text:
            _refuse(where, "format", f"columns separated by {name}", "','", row)
    names = _names(text.encode())
    if not names:
        _refuse(
            where, "header", f"a name of more than {csv.field_size_limit():,} characters", "short names", row
        )
    check_distinct(names, where, row)
    return names


def check_distinct(names: Iterable[str], where: str, row: int | None = None) -> None:
    """Refuse two columns with the same name; several nameless columns are allowed.

    :param names: the columns' names.
    :param where: the file, for the message.
    :param row: the number of the header's row; None if the file has no such row.
    :raises DataRejected: the message names both columns.
    """
    places: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if name in places:
            found = f"columns {places[name]} and {place} both named {shown(name)}"
            _refuse(where, "header", found, "every name once", row)
        if name:
            places[name] = place


def _names(line: bytes) -> tuple[str, ...]:
    """The fields of a row, without outer blanks; none if the row cannot be parsed."""
    try:
        return tuple(
            name.strip() for name in next(csv.reader([line.decode(errors="replace").rstrip("\r\n")]))
        )
    except (csv.Error, StopIteration):
        return ()


def _refuse(where: str, check: Check, found: str, expected: str, row: int | None = None) -> NoReturn:
    rows, count = ((), 0) if row is None else ((row,), 1)
    raise rejection(where, [Finding(check=check, rows=rows, count=count, found=found, expected=expected)])
