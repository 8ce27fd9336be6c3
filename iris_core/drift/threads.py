"""Keeps linear algebra on one thread, where tables are small."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

SMALL = 10_000
"""Rows up to which several threads do not pay."""


def one_thread() -> AbstractContextManager[Any]:
    """A block in which this process's linear algebra uses one thread.

    Products of a few thousand rows are no faster with several, and many times slower on cores that are busy.
    """
    limited: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
