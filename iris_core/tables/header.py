"""What can be said of a file from its first bytes: is it text, and what are its columns?"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import NoReturn

from iris_core.tables.findings import Check, Finding, rejection, shown
from iris_core.tables.records import scan

UTF8_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_FORMATS = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook (.xls)",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a Parquet file",
}
_SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'"}


def check_kind(data: bytes, where: str) -> None:
    """Refuse what its first bytes give away: UTF-16, and formats that are no text at all."""
    if data.startswith(_UTF16):
        _refuse(where, "encoding", "UTF-16", "UTF-8")
    for magic, kind in _FORMATS.items():
        if data.startswith(magic):
            _refuse(where, "format", kind, "a CSV file")


def check_text(data: bytes, row: int, where: str) -> None:
    """Refuse bytes that are not UTF-8, with the row of the first; `row` numbers the block's first."""
    if b"\0" in data:
        at = data.index(b"\0")
        _refuse(where, "encoding", "NUL bytes, as in UTF-16", "UTF-8", row + scan(data[:at]).ends.size)
    try:
        data.decode()
    except UnicodeDecodeError as error:
        found = f"byte 0x{data[error.start]:02X}, which is not UTF-8 (Latin-1 or Windows-1252?)"
        _refuse(where, "encoding", found, "UTF-8", row + scan(data[: error.start]).ends.size)


def column_names(line: bytes, row: int, where: str) -> tuple[str, ...]:
    """The names in the header's line, without the blanks around them.

    :raises DataRejected: other separators than ',', old line ends, or one name twice.
    """
    text = line.decode()
    _check_separators(text, row, where)
    names = tuple(name.strip() for name in next(csv.reader([text])))
    _check_distinct(names, row, where)
    return names


def _check_separators(text: str, row: int, where: str) -> None:
    if "\r" in text:
        _refuse(where, "format", "carriage returns alone at line ends", "newlines", row)
    for separator, name in _SEPARATORS.items():
        if separator in text and "," not in text:
            _refuse(where, "format", f"columns separated by {name}", "','", row)


def _check_distinct(names: Sequence[str], row: int, where: str) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            named = f"named {shown(name)}" if name else "without a name"
            found = f"columns {names.index(name) + 1} and {place + 1} both {named}"
            _refuse(where, "header", found, "every name once", row)


def _refuse(where: str, check: Check, found: str, expected: str, row: int | None = None) -> NoReturn:
    rows = () if row is None else (row,)
    raise rejection(where, [Finding(check=check, rows=rows, count=1, found=found, expected=expected)])
