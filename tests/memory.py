"""A store in memory, of several keys, that counts the requests which a real one would get."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import md5
from typing import TypeVar

from iris_core.errors import ObjectMissing
from iris_core.store.objects import ObjectStore, StoreAccess
from iris_core.store.versions import ListedVersion, ObjectVersion

Item = TypeVar("Item")

PAGE = 1000
"""So many entries S3 lists in one answer."""


class MemoryStore(ObjectStore):
    """Objects without bytes, in one bucket, and the files of a ledger.

    :param versioned: whether the bucket keeps the versions of a key.
    """

    def __init__(self, versioned: bool = True) -> None:
        super().__init__(StoreAccess("http://nowhere", "", ""))
        self.versioned = versioned
        self.files: dict[str, bytes] = {}
        self._names: list[str] = []
        self.landed: dict[str, list[ObjectVersion]] = {}
        self.hidden: set[str] = set()
        self.puts = 0
        self.requests: Counter[str] = Counter()

    def land(self, bucket: str, key: str, content: str, moment: datetime) -> ObjectVersion:
        """Put an object with this content, which is its etag."""
        older = self.landed.get(key, []) if self.versioned else []
        self.puts += 1
        number = f"v{self.puts}" if self.versioned else None
        landed = moment.replace(microsecond=0)
        version = ObjectVersion(
            bucket=bucket, key=key, version_id=number, etag=content, size=1, landed_at=landed
        )
        self.landed[key] = [version, *older]
        self.hidden.discard(key)
        return version

    def hide(self, key: str) -> None:
        """Delete an object."""
        if self.versioned:
            self.hidden.add(key)
        else:
            self.landed.pop(key, None)

    def versions(
        self, bucket: str, prefix: str, after: str = "", page_size: int = 1000
    ) -> Iterator[ListedVersion]:
        found = [
            ListedVersion.of(version, place == 0 and key not in self.hidden)
            for key in sorted(self.landed)
            if key.startswith(prefix) and key > after
            for place, version in enumerate(self.landed[key])
        ]
        return self._paged("list versions", found)

    def keys(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[str]:
        found = [key for key in self._below(f"{prefix}/") if key > (after or "")]
        return self._paged("list keys", found)

    def folders(self, bucket: str, prefix: str) -> list[str]:
        self.requests["list folders"] += 1
        below = (key.removeprefix(f"{prefix}/") for key in self._below(f"{prefix}/"))
        return sorted({key.split("/")[0] for key in below if "/" in key})

    def get(self, bucket: str, key: str) -> bytes:
        self.requests["get"] += 1
        if key not in self.files:
            raise ObjectMissing(key)
        return self.files[key]

    def create(self, bucket: str, key: str, data: bytes, content_type: str) -> bool:
        self.requests["create"] += 1
        if key in self.files:
            return False
        self.keep(key, data)
        return True

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> ObjectVersion:
        self.requests["put"] += 1
        self.keep(key, data)
        return self._file(bucket, key)

    def head(self, bucket: str, key: str, version_id: str | None = None) -> ObjectVersion:
        self.requests["head"] += 1
        if key in self.files:
            return self._file(bucket, key)
        versions = self.landed.get(key, [])
        if not versions or key in self.hidden:
            raise ObjectMissing(key)
        return versions[0]

    def chunks(self, version: ObjectVersion, size: int = 8 << 20) -> Iterator[bytes]:
        self.requests["get"] += 1
        yield self.files[version.key]

    def replace(self, bucket: str, key: str, data: bytes | bytearray, content_type: str, etag: str) -> bool:
        self.requests["replace"] += 1
        if etag != (self._file(bucket, key).etag if key in self.files else ""):
            return False
        self.keep(key, bytes(data))
        return True

    def _file(self, bucket: str, key: str) -> ObjectVersion:
        data = self.files[key]
        etag, landed = md5(data, usedforsecurity=False).hexdigest(), datetime(2026, 11, 1, tzinfo=UTC)
        return ObjectVersion(
            bucket=bucket, key=key, version_id=etag, etag=etag, size=len(data), landed_at=landed
        )

    def keep(self, key: str, data: bytes) -> None:
        """Keep a file, without a request."""
        self.files[key] = data
        place = bisect_left(self._names, key)
        if self._names[place : place + 1] != [key]:
            self._names.insert(place, key)

    def _below(self, prefix: str) -> list[str]:
        first, last = (bisect_left(self._names, name) for name in (prefix, f"{prefix}{chr(0x10FFFF)}"))
        return [name for name in self._names[first:last] if name in self.files]

    def _paged(self, what: str, found: Sequence[Item]) -> Iterator[Item]:
        self.requests[what] += 1
        for place, item in enumerate(found):
            if place and place % PAGE == 0:
                self.requests[what] += 1
            yield item
