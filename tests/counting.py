"""The real store, counting what it is asked to read."""

from __future__ import annotations

from iris_core.storage import ObjectStore


class CountingStore(ObjectStore):
    """`reads` has the key of each object that was read whole."""

    def __init__(self, real: ObjectStore) -> None:
        super().__init__(real.access)
        self.reads: list[str] = []

    def get(self, bucket: str, key: str) -> bytes:
        self.reads.append(key)
        return super().get(bucket, key)
