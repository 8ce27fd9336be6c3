"""Memory of a task that reads many tables: what one of them has taken is given back before the next.

Allocators keep freed memory, each thread's in a place of its own. A task that reads a hundred tables, each
with threads of its own, would in the end hold several times what the largest of them needs.
"""

from __future__ import annotations

import ctypes

import pyarrow as pa

ARENAS, M_ARENA_MAX = 2, -8
"""glibc's `mallopt`: threads share so many arenas."""


def spare_memory() -> None:
    """From now on, allocate so that `give_memory_back` finds what has been freed.

    Arrow then takes its memory from the system's allocator, and glibc, where it is that, has few arenas. Both
    hold for the whole process.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(M_ARENA_MAX, ARENAS)
    give_memory_back()


def give_memory_back() -> None:
    """Return freed memory to the system, which Arrow asks the system's allocator for; takes milliseconds."""
    pa.default_memory_pool().release_unused()
