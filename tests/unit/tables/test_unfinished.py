"""A table that is not read to its end: whoever lets go of it waits for nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from iris_core.tables.inputs import MemoryInput, ranges
from iris_core.tables.ordered import ordered

pytestmark = pytest.mark.unit


class Slow(MemoryInput):
    """Does not answer before it may."""

    may = threading.Event()

    def read(self, start: int, end: int) -> bytes:
        if start:
            assert self.may.wait(30)
        return super().read(start, end)


def unread_ranges() -> Iterator[object]:
    Slow.may.clear()
    return ranges(Slow(b"abcdef", "here"), 0, 6, 1)


def unread_results() -> Iterator[object]:
    Slow.may.clear()
    given = Slow(b"abcdef", "here")
    return ordered(range(6), lambda place: given.read(place, place + 1), 2)


@pytest.mark.parametrize("begun", [unread_ranges, unread_results])
def test_nobody_waits_for_what_is_under_way(begun: Callable[[], Iterator[object]]) -> None:
    """The garbage collector closes it, maybe inside a thread's start, where waiting never ends."""
    pieces = begun()
    next(pieces)
    closing = threading.Thread(target=pieces.close, daemon=True)  # type: ignore[attr-defined]
    closing.start()
    closing.join(5)
    was_waiting = closing.is_alive()
    Slow.may.set()
    assert not was_waiting
