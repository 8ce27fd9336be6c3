"""Where a table's bytes come from: an exact object version, a local file, or memory."""

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
"""Ranges of 4 MB, two of them under way while one is worked on."""


class Input(Protocol):
    """Bytes that can be read by range; `where` names them in messages.

    `unpack_ratio`: how many times their size they may unpack to; None is without a bound.
    """

    @property
    def where(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def unpack_ratio(self) -> int | None: ...
    def read(self, start: int, end: int) -> bytes:
        """The half-open range [start, end)."""


@dataclass(frozen=True)
class StoredInput:
    """Exactly this version of an object.

    :raises ObjectMissing: on reading, when it is gone.
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
        """One ranged GET."""
        return self.store.read(self.version, start, end) if end > start else b""


@dataclass(frozen=True)
class LocalInput:
    """A file on this machine.

    :raises DataRejected: on reading, when it cannot be read.
    """

    path: Path
    unpack_ratio: int | None = None

    @property
    def where(self) -> str:
        return str(self.path)

    @property
    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise self._unreadable(error) from error

    def read(self, start: int, end: int) -> bytes:
        """One read."""
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                return file.read(end - start)
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> DataRejected:
        return DataRejected(f"{self.path} cannot be read: {error.strerror}. Name a file or s3://bucket/key.")


@dataclass(frozen=True)
class MemoryInput:
    """Bytes that were read before."""

    data: bytes
    where: str
    unpack_ratio: int | None = None

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, start: int, end: int) -> bytes:
        """A part of them."""
        return self.data[start:end]


def ranges(given: Input, start: int, end: int, step: int = READ_BYTES) -> Iterator[bytes]:
    """The bytes of [start, end) in pieces of `step`, a few of them read ahead."""
    under_way: deque[Future[bytes]] = deque()
    pool = ThreadPoolExecutor(READ_AHEAD, thread_name_prefix="iris-read")
    try:
        for place in range(start, end, step):
            under_way.append(pool.submit(given.read, place, min(place + step, end)))
            if len(under_way) > READ_AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        # Nobody waits here: one that is not read to its end is closed by the garbage collector, which may run
        # in the middle of a thread's start, with the lock held that waiting for a thread takes.
        pool.shutdown(wait=False, cancel_futures=True)


class RangeFile(io.RawIOBase):
    """An input as a seekable file, for readers that jump about in it."""

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
