"""How often watchers list: the listings of one process take together at most `SHARE` of its time.

The pause after a listing follows from how long the listings of all watchers take. It is proportional to the
square root of a watcher's own time: of all pauses that keep the share, these have the smallest sum. So a
large bucket is listed seldom, and does not hold up the small ones.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TypeVar

SHARE = 0.05

Item = TypeVar("Item")


@dataclass
class SweepBudget:
    """Seconds that the listings of each watcher take; a watcher that ends is forgotten.

    Of a watcher's last two listings the shorter one counts: a store that stands still during a single listing
    does not put off the next one for minutes.
    """

    share: float = SHARE
    _took: dict[Hashable, float] = field(default_factory=dict)
    _last: dict[Hashable, float] = field(default_factory=dict)

    def note(self, watcher: Hashable, seconds: float) -> None:
        """Note the cost of a watcher's listing."""
        self._took[watcher] = min(seconds, self._last.get(watcher, seconds))
        self._last[watcher] = seconds

    def forget(self, watcher: Hashable) -> None:
        self._took.pop(watcher, None)
        self._last.pop(watcher, None)

    def took(self, watcher: Hashable) -> float:
        """Seconds that a listing of the watcher costs; 0 before the first."""
        return self._took.get(watcher, 0.0)

    def pause(self, watcher: Hashable) -> float:
        """Seconds from the end of a watcher's listing to its next one, at least."""
        return math.sqrt(self.took(watcher)) * sum(map(math.sqrt, self._took.values())) / self.share


TRIGGERER = SweepBudget()
"""The budget of the watchers in this process."""


@dataclass
class Stopwatch:
    """Measures work that is done in threads, a piece at a time.

    `seconds` is the time that the work took, waiting included; `cpu_s` the processor's time alone.
    """

    seconds: float = 0.0
    cpu_s: float = 0.0

    def run(self, work: Callable[[], Item]) -> Item:
        """Do a piece of the work in the calling thread."""
        began, cpu = time.monotonic(), time.thread_time()
        try:
            return work()
        finally:
            self.seconds += time.monotonic() - began
            self.cpu_s += time.thread_time() - cpu


@dataclass(frozen=True)
class SweepPace:
    """What a watcher tells about its listings: how long the last one took, and the pause after it."""

    took_s: float
    pause_s: float

    def differs(self, other: SweepPace | None) -> bool:
        """Whether the pause is another than people were told: more than twice or less than half as long."""
        return other is None or not 0.5 <= self.pause_s / max(other.pause_s, 1e-9) <= 2
