"""What is scored, in pieces of bytes: an exact object version or a local file, CSV (gzip too) or Parquet."""

from __future__ import annotations

import io
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from iris_core.errors import DataRejected
from iris_core.settings.project import TableSchema
from iris_core.store.objects import ObjectStore, ObjectVersion
from iris_core.tables import header, records
from iris_core.tables.blocks import blocks
from iris_core.tables.findings import Finding, rejection
from iris_core.tables.frames import missing_columns
from iris_core.tables.rows import Block, Layout, count_rows

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
READ_AHEAD = 2
READ_BYTES = 4 << 20
"""Ranges of 4 MB, two of them under way while one is worked on."""
BLOCK_BYTES = 2 << 20
"""What is worked on at once: enough for each pass to be worth its start, small enough for a core's cache."""


class Input(Protocol):
    """Bytes that can be read by range; `where` names them in messages."""

    @property
    def where(self) -> str: ...
    @property
    def size(self) -> int: ...
    def read(self, start: int, end: int) -> bytes:
        """The half-open range [start, end)."""


@dataclass(frozen=True)
class StoredInput:
    """Exactly this version of an object.

    :raises ObjectMissing: on reading, when it is gone.
    """

    store: ObjectStore
    version: ObjectVersion

    @property
    def where(self) -> str:
        return self.version.uri

    @property
    def size(self) -> int:
        return self.version.size

    def read(self, start: int, end: int) -> bytes:
        """One ranged GET."""
        return self.store.read(self.version, start, end) if end > start else b""


@dataclass(frozen=True)
class LocalInput:
    """A file on this machine."""

    path: Path

    @property
    def where(self) -> str:
        return str(self.path)

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def read(self, start: int, end: int) -> bytes:
        """One read."""
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(end - start)


def ranges(given: Input, start: int, end: int, step: int = READ_BYTES) -> Iterator[bytes]:
    """The bytes of [start, end) in pieces of `step`, a few of them read ahead."""
    under_way: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(READ_AHEAD, thread_name_prefix="iris-read") as pool:
        try:
            for place in range(start, end, step):
                under_way.append(pool.submit(given.read, place, min(place + step, end)))
                if len(under_way) > READ_AHEAD:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def kind(given: Input) -> str:
    """`gzip`, `parquet`, or `csv`, by the first bytes."""
    first = given.read(0, min(4, given.size))
    if first.startswith(GZIP):
        return "gzip"
    return "parquet" if first == PARQUET else "csv"


def unzipped(pieces: Iterable[bytes], where: str, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """The content of a gzip file (of one member or several) in pieces of at most `size` bytes.

    :raises DataRejected: damaged or cut off.
    """
    member, is_open = zlib.decompressobj(wbits=31), False
    for piece in pieces:
        data = piece
        while data:
            is_open = True
            try:
                yield member.decompress(data, size)
            except zlib.error as error:
                raise _damaged(where, str(error)) from error
            data = member.unconsumed_tail
            if member.eof:
                data, member, is_open = member.unused_data, zlib.decompressobj(wbits=31), False
    if is_open:
        raise _damaged(where, "it ends too early")


def _damaged(where: str, found: str) -> DataRejected:
    told = Finding(check="format", count=1, found=f"a damaged gzip file ({found})", expected="a whole one")
    return rejection(where, [told])


@dataclass(frozen=True)
class Header:
    """A CSV's first row: as it stands there, its names, and where the rows begin."""

    line: bytes
    columns: tuple[str, ...]
    end: int
    first_row: int


def read_header(data: bytes, where: str) -> Header:
    """Find the header in a file's first block; blank lines before it are skipped.

    :raises DataRejected: empty, not UTF-8, not comma-separated, a name twice.
    """
    if not data:
        raise _empty(where, "no bytes")
    header.check_kind(data, where)
    start = len(header.UTF8_BOM) if data.startswith(header.UTF8_BOM) else 0
    row = 1
    while True:
        end = _line_end(data, start)
        line = data[start:end].removesuffix(b"\r")
        if line.strip():
            break
        if end >= len(data) - 1:
            raise _empty(where, "nothing but blanks")
        start, row = end + 1, row + 1
    found = records.scan(data[start : end + 1])
    records.check_closed(data[start : end + 1], found, row, where)
    header.check_text(line, row, where)
    columns = header.column_names(line, row, where)
    records.check_quotes(found, row, where)
    return Header(line, columns, end + 1, row + 1)


def _line_end(data: bytes, start: int) -> int:
    """The first newline outside quotes; the last byte's place where there is none."""
    end = data.find(b"\n", start)
    while end >= 0 and data.count(b'"', start, end) % 2:
        end = data.find(b"\n", end + 1)
    return end if end >= 0 else len(data) - 1


def _empty(where: str, found: str) -> DataRejected:
    return rejection(where, [Finding(check="empty", count=0, found=found, expected="a header and rows")])


def layout(columns: tuple[str, ...], table: TableSchema, where: str, added: Iterable[str]) -> Layout:
    """Which columns are what.

    :param added: names that scoring writes; a file that has one already could not be told apart.
    :raises DataRejected: a feature's column is missing, or one has a name that scoring writes.
    """
    if absent := missing_columns(columns, table.feature_names):
        raise rejection(where, absent)
    if clash := [name for name in added if name in columns]:
        found = f"a column {clash[0]!r}, which scoring writes"
        told = Finding(check="header", column=clash[0], count=1, found=found, expected="another name")
        raise rejection(where, [told])
    units = {feature.name: feature.unit for feature in table.features}
    target = table.target if table.target in columns else None
    return Layout(where, columns, table.feature_names, target, units)


@dataclass(frozen=True)
class Csv:
    """A CSV that is being read: its header, and its rows in blocks that end where a row ends."""

    header: Header
    blocks: Iterator[Block]


def open_csv(given: Input, size: int = BLOCK_BYTES) -> Csv:
    """The whole of a CSV, plain or gzip.

    :raises DataRejected: as `read_header`; later, where the rows cannot be told apart.
    """
    pieces: Iterable[bytes] = ranges(given, 0, given.size)
    if kind(given) == "gzip":
        pieces = unzipped(pieces, given.where, size)
    whole = blocks(pieces, size)
    first = next(whole, b"")
    while first and not first.removeprefix(header.UTF8_BOM).strip() and (more := next(whole, b"")):
        first += more
    head = read_header(first, given.where)
    return Csv(head, _numbered(chain([first[head.end :]], whole), head.first_row))


def open_range(given: Input, head: int, start: int, end: int, first_row: int) -> Csv:
    """Rows of a plain CSV that lie in [start, end), which begins and ends where a row does.

    :param head: where the rows of the file begin.
    """
    found = read_header(given.read(0, head), given.where)
    return Csv(found, _numbered(blocks(ranges(given, start, end), BLOCK_BYTES), first_row))


def _numbered(whole: Iterable[bytes], row: int) -> Iterator[Block]:
    for data in whole:
        if data:
            yield Block(data, row)
            row += count_rows(data)


class RangeFile(io.RawIOBase):
    """An input as a seekable file, for readers that jump about in it (Parquet)."""

    def __init__(self, given: Input) -> None:
        self._given = given
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._given.size}[whence]
        self._place = base + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data = self._given.read(self._place, min(self._place + len(view), self._given.size))
        view[: len(data)] = data
        self._place += len(data)
        return len(data)
