"""Memory of a process that reads many tables: what one of them has taken is given back before the next.

Allocators keep freed memory, each thread's in a place of its own. A process that reads a hundred tables, each
with threads of its own, would in the end hold several times what the largest of them needs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

ARENAS, M_ARENA_MAX = 2, -8
"""glibc's `mallopt`: threads share so many arenas."""


@contextmanager
def spared_memory() -> Iterator[None]:
    """Return what the block has freed to the system, when it begins and when it ends; takes milliseconds.

    For that, Arrow takes its memory from the system's allocator, and glibc, where it is that, has few arenas.
    Both hold for the whole process from then on.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_ARENA_MAX, ARENAS)
    pa.default_memory_pool().release_unused()
    try:
        yield
    finally:
        pa.default_memory_pool().release_unused()
