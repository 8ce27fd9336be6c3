"""Bounds of what Arrow holds at once of a Parquet file: its footer, and a page of each column.

A page is unpacked whole, however few of its rows are asked for, and only its own header says to how much:
a structure of Thrift's compact protocol (apache/parquet-format, `parquet.thrift`; apache/thrift,
`thrift-compact-protocol.md`).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from iris_core.tables.findings import shown, too_large
from iris_core.tables.formats import PARQUET
from iris_core.tables.inputs import Input, RangeFile

USUAL_BYTES = 2 << 20
"""Of a column's largest page and its dictionary: writers end each at a megabyte, unless a value is longer."""
PAGES_BYTES = 24 << 20
"""Of the pages of all columns that are read, beyond what is usual."""
FOOTER_BYTES = 16 << 20
"""It takes several times as much when it is read."""
READ_BYTES = 64 << 10

HEADER_BYTES = 16 << 10
LONGEST_HEADER = 1 << 20
"""A header may hold the least and the greatest value of its page."""
DEEPEST = 8

_DICTIONARY = 2
_TYPE, _UNPACKED, _PACKED = 1, 2, 3
_STOP, _BOOLEANS, _BYTE, _VARINTS, _DOUBLE, _BINARY, _LISTS, _STRUCT = (
    0,
    (1, 2),
    3,
    (4, 5, 6),
    7,
    8,
    (9, 10),
    12,
)


def check_footer(given: Input) -> None:
    """Refuse a file whose footer alone is too large.

    :raises DataRejected: it is.
    """
    end = given.read(max(0, given.size - 8), given.size)
    footer = struct.unpack("<I", end[:4])[0] if len(end) == 8 and end.endswith(PARQUET) else 0
    if FOOTER_BYTES < footer < given.size:
        found = f"a footer of {footer >> 20} MB (columns, row groups, metadata)"
        raise too_large(given.where, found, f"at most {FOOTER_BYTES >> 20} MB")


class _PageWanted(OSError):
    """A page is to be read."""


class _Footer(RangeFile):
    """A file whose pages cannot be read."""

    def read(self, _size: int = -1, /) -> bytes:
        raise _PageWanted


def check_chunks(given: Input, known: pq.FileMetaData) -> None:
    """Let Arrow check what the footer says of every column, as it does before it reads their pages.

    Python's access to this metadata ends the process at a fault, such as an encrypted column.

    :raises OSError: there is a fault.
    """
    file = pq.ParquetFile(pa.PythonFile(_Footer(given), mode="r"), metadata=known, pre_buffer=True)
    with suppress(_PageWanted):
        next(file.iter_batches(1), None)


def largest_group(metadata: pq.FileMetaData) -> int:
    """Bytes of the largest row group in the file."""
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    chunks = ((group.column(place) for place in range(metadata.num_columns)) for group in groups)
    return max((sum(chunk.total_compressed_size for chunk in group) for group in chunks), default=0)


def check_pages(
    given: Input, chunks: Mapping[str, pq.ColumnChunkMetaData], dictionaries: Mapping[str, int]
) -> None:
    """Refuse a row group of which too much is unpacked at once.

    :param given: the file.
    :param chunks: the row group's part of each column that is read, as the footer describes it.
    :param dictionaries: how many times its own bytes a dictionary takes, by column.
    :raises DataRejected: its pages are too large.
    :raises ValueError: what is there are no pages.
    """
    file = io.BufferedReader(RangeFile(given), READ_BYTES)
    sizes: dict[str, int] = {}
    times: dict[str, int] = {}
    for name, chunk in chunks.items():
        starts = [place for place in (chunk.dictionary_page_offset, chunk.data_page_offset) if place]
        start = min(starts, default=0)
        sizes[name] = largest_page(file, start, start + chunk.total_compressed_size)
        times[name] = dictionaries[name] if chunk.has_dictionary_page else 1
    beyond = {column: max(0, size - USUAL_BYTES) * times[column] for column, size in sizes.items()}
    if sum(beyond.values()) > PAGES_BYTES:
        total, name = sum(sizes.values()), max(beyond, key=lambda column: beyond[column])
        found = f"pages that unpack to {total >> 20} MB at once, {sizes[name] >> 20} of them of {shown(name)}"
        is_category = times[name] > 1
        most = PAGES_BYTES // times[name] + USUAL_BYTES * (1 if is_category else len(sizes))
        what = " of a column of categories" if is_category else ""
        expected = f"at most about {most >> 20} MB{what}: shorter values, or smaller pages"
        raise too_large(given.where, found, expected)


def largest_page(file: BinaryIO, start: int, end: int) -> int:
    """Bytes of the largest page in a column's part of the file, and of the dictionary that it needs.

    :param start: where the first page's header begins.
    :param end: where the last page ends.
    :raises ValueError: something else than pages is there.
    """
    dictionary = largest = 0
    while start < end:
        fields, size = _header(file, start)
        unpacked, packed = fields.get(_UNPACKED, -1), fields.get(_PACKED, -1)
        if min(unpacked, packed) < 0:
            raise ValueError("a page without a size")
        if fields.get(_TYPE) == _DICTIONARY:
            dictionary = max(dictionary, unpacked)
        else:
            largest = max(largest, unpacked)
        start += size + packed
    return dictionary + largest


def _header(file: BinaryIO, start: int) -> tuple[dict[int, int], int]:
    """The whole numbers of the page header that begins here, by field, and how many bytes it takes."""
    size = HEADER_BYTES
    while True:
        file.seek(start)
        data = file.read(size)
        try:
            return _numbers(data)
        except IndexError as error:
            if len(data) < size or size >= LONGEST_HEADER:
                raise ValueError("a page's header that does not end") from error
            size *= 8


def _numbers(data: bytes) -> tuple[dict[int, int], int]:
    found: dict[int, int] = {}
    at = field = 0
    while (kind := data[at] & 15) != _STOP:
        field, at = _field(data, at, field)
        if kind in _VARINTS:
            value, at = _varint(data, at)
            found[field] = (value >> 1) ^ -(value & 1)
        else:
            at = _behind(data, at, kind, 0)
    return found, at + 1


def _field(data: bytes, at: int, last: int) -> tuple[int, int]:
    """A field's number, and where its value begins; mostly it is told by the distance from the last one's."""
    if step := data[at] >> 4:
        return last + step, at + 1
    value, at = _varint(data, at + 1)
    return (value >> 1) ^ -(value & 1), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value, at = value | (byte & 127) << shift, at + 1
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _behind(data: bytes, at: int, kind: int, depth: int) -> int:
    """Where a value ends."""
    if depth > DEEPEST:
        raise ValueError("a page's header that is too deep")
    if kind in _BOOLEANS:
        return at
    if kind in _VARINTS:
        return _varint(data, at)[1]
    if kind in (_BYTE, _DOUBLE):
        return _within(data, at + (1 if kind == _BYTE else 8))
    if kind == _BINARY:
        size, at = _varint(data, at)
        return _within(data, at + size)
    if kind in _LISTS:
        return _behind_list(data, at, depth)
    if kind == _STRUCT:
        return _behind_struct(data, at, depth)
    raise ValueError("what is no page's header")


def _within(data: bytes, at: int) -> int:
    if at > len(data):
        raise IndexError(at)
    return at


def _behind_list(data: bytes, at: int, depth: int) -> int:
    kind, count, at = data[at] & 15, data[at] >> 4, at + 1
    if count == 15:
        count, at = _varint(data, at)
    for _ in range(count):
        at = at + 1 if kind in _BOOLEANS else _behind(data, at, kind, depth + 1)
        _within(data, at)
    return at


def _behind_struct(data: bytes, at: int, depth: int) -> int:
    while (kind := data[at] & 15) != _STOP:
        _, at = _field(data, at, 0)
        at = _behind(data, at, kind, depth + 1)
    return at + 1
