"""The real store, counting what it is asked for."""

from __future__ import annotations

from collections.abc import Iterator

from iris_core.store.objects import ObjectStore


class CountingStore(ObjectStore):
    """`reads` has the key of each object that was read whole, `listings` the prefix of each listing."""

    def __init__(self, real: ObjectStore) -> None:
        super().__init__(real.access)
        self.reads: list[str] = []
        self.listings: list[str] = []

    def get(self, bucket: str, key: str) -> bytes:
        self.reads.append(key)
        return super().get(bucket, key)

    def keys(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[str]:
        self.listings.append(prefix)
        return super().keys(bucket, prefix, after)
