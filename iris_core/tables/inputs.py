"""Sources of a table's bytes: an exact object version, a local file, or memory."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from iris_core.errors import DataRejected
from iris_core.store.objects import ObjectStore, ObjectVersion

READ_AHEAD = 2
READ_BYTES = 4 << 20
"""Bytes of a range; `READ_AHEAD` ranges are read while the caller works on one."""


class Input(Protocol):
    """Bytes that can be read by range; `where` names them in messages.

    They may unpack to at most `unpack_ratio` times their size; None means no limit.
    """

    @property
    def where(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def unpack_ratio(self) -> int | None: ...
    def read(self, start: int, end: int) -> bytes:
        """The bytes of the half-open range [start, end)."""


@dataclass(frozen=True)
class StoredInput:
    """The bytes of exactly this object version.

    :raises ObjectMissing: on reading, if the version is gone.
    """

    store: ObjectStore
    version: ObjectVersion
    unpack_ratio: int | None = None

    @property
    def where(self) -> str:
        return self.version.uri

    @property
    def size(self) -> int:
        return self.version.size

    def read(self, start: int, end: int) -> bytes:
        """Read a range with one GET."""
        return self.store.read(self.version, start, end) if end > start else b""


@dataclass(frozen=True)
class LocalInput:
    """The bytes of a file on this machine; messages call it `name`, or else by its path.

    :raises DataRejected: on reading, if the file cannot be read.
    """

    path: Path
    unpack_ratio: int | None = None
    name: str = ""

    @property
    def where(self) -> str:
        return self.name or str(self.path)

    @property
    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise self._unreadable(error) from error

    def read(self, start: int, end: int) -> bytes:
        """Read a range of the file."""
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                return file.read(end - start)
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> DataRejected:
        return DataRejected(f"{self.where} cannot be read: {error.strerror}. Name a file or s3://bucket/key.")


@dataclass(frozen=True)
class MemoryInput:
    """Bytes in memory."""

    data: bytes
    where: str
    unpack_ratio: int | None = None

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, start: int, end: int) -> bytes:
        """The bytes of a range."""
        return self.data[start:end]


def ranges(given: Input, start: int, end: int, step: int = READ_BYTES) -> Iterator[bytes]:
    """Read the bytes of [start, end) in pieces, some of them ahead. A piece ends at a multiple of `step`.

    :param given: the input.
    :param start: the first byte.
    :param end: the byte after the last one.
    :param step: bytes of a piece.
    """
    under_way: deque[Future[bytes]] = deque()
    pool = ThreadPoolExecutor(READ_AHEAD, thread_name_prefix="iris-read")
    try:
        for place in range(start - start % step, end, step):
            under_way.append(pool.submit(given.read, max(place, start), min(place + step, end)))
            if len(under_way) > READ_AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        # Do not wait: the garbage collector closes a generator that is not read to its end. It may run while
        # a thread is being started, which holds the lock that waiting for a thread needs: a deadlock.
        pool.shutdown(wait=False, cancel_futures=True)


class RangeFile(io.RawIOBase):
    """Presents an input as a seekable file."""

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
