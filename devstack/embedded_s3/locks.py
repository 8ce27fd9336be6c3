"""One lock per key, made when needed and forgotten when free."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from devstack.embedded_s3.journal import KeyId


class KeyLocks:
    """Locks for (bucket, key). Several are taken in sorted order, so holders cannot wait for each other."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[KeyId, tuple[threading.Lock, int]] = {}

    @contextmanager
    def hold(self, keys: Iterable[KeyId]) -> Iterator[None]:
        with ExitStack() as held:
            for key in sorted(set(keys)):
                held.enter_context(self._hold_one(key))
            yield

    @contextmanager
    def _hold_one(self, key: KeyId) -> Iterator[None]:
        with self._guard:
            lock, users = self._locks.get(key, (threading.Lock(), 0))
            self._locks[key] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            self._release(key)

    def _release(self, key: KeyId) -> None:
        with self._guard:
            lock, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = (lock, users - 1)

    def __len__(self) -> int:
        return len(self._locks)
