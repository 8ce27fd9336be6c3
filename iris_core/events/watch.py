"""Signals and listings become announcements: "look now". What is owed is decided by whoever looks.

An announcement may be doubled, late or needless without harm; it is only ever missing until the next sweep.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Protocol

from iris_core.errors import IrisError
from iris_core.events.stream import Signal
from iris_core.ledger.owed import Source
from iris_core.store.versions import ObjectVersion

log = logging.getLogger(__name__)

PAGE = 1000
SHOWN = 5
REMEMBERED = 1000
MOST_DOUBLINGS = 32


class Announceable(Protocol):
    """What can be announced: `digest` identifies it, `uri` shows it, `landed_at` orders it."""

    @property
    def digest(self) -> str: ...
    @property
    def uri(self) -> str: ...
    @property
    def landed_at(self) -> datetime: ...


@dataclass(frozen=True)
class Rhythm:
    """Seconds: between sweeps, between sweeps while the stream is down, and how long an announced object
    may stay unaccounted before it is announced again (doubled each time, up to `longest_grace_s`)."""

    sweep_s: float = 60.0
    sweep_when_down_s: float = 5.0
    grace_s: float = 60.0
    longest_grace_s: float = 3600.0


@dataclass
class Cursor:
    """What was announced, how often and when last (epoch seconds), by object digest."""

    announced: dict[str, tuple[int, float]] = field(default_factory=dict)

    @classmethod
    def parse(cls, stored: Any) -> Cursor:
        """The cursor that `dump` made; an empty one from anything else."""
        try:
            return cls({digest: (int(times), float(last)) for digest, (times, last) in stored.items()})
        except (AttributeError, TypeError, ValueError):
            return cls()

    def dump(self) -> dict[str, Any]:
        """JSON-able, the newest `REMEMBERED` only."""
        newest = sorted(self.announced.items(), key=lambda item: item[1][1])[-REMEMBERED:]
        return {digest: [times, last] for digest, (times, last) in newest}

    def note(self, digest: str, now: float) -> None:
        times, _ = self.announced.get(digest, (0, 0.0))
        self.announced[digest] = (times + 1, now)

    def is_due(self, digest: str, now: float, rhythm: Rhythm) -> bool:
        """Whether an object that is still unaccounted is to be announced (again)."""
        times, last = self.announced.get(digest, (0, 0.0))
        grace = min(rhythm.longest_grace_s, rhythm.grace_s * 2 ** max(0, min(times - 1, MOST_DOUBLINGS)))
        return times == 0 or now - last >= grace


@dataclass
class _Inbox:
    """What has come since the last look: a burst becomes one announcement."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    landed: dict[str, Announceable] = field(default_factory=dict)
    list_now: bool = True
    down: bool = False
    ended: BaseException | None = None


class Watch:
    """Watches one source over a bucket's shared signals.

    :param unaccounted: lists what nobody decided about yet; runs in a thread.
    :param save: stores the cursor.
    :param refresh: awaited before each listing, so that changed credentials are picked up.
    """

    def __init__(
        self,
        source: Source,
        unaccounted: Callable[[], Iterator[Announceable]],
        cursor: Cursor,
        save: Callable[[Cursor], Awaitable[None]],
        rhythm: Rhythm | None = None,
        refresh: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._source = source
        self._unaccounted = unaccounted
        self._cursor = cursor
        self._save = save
        self._rhythm = rhythm or Rhythm()
        self._refresh = refresh
        self._said = ""
        self._unsaved = False

    async def announcements(self, signals: AsyncIterator[Signal]) -> AsyncGenerator[dict[str, Any], None]:
        """Announcements for ever: at once what the stream says, and what a listing finds unaccounted.

        Every `subscribed` is followed by a listing, so nothing falls between two connections. It also lists
        at once, because a watcher that joins a shared stream late has missed its `subscribed`. A listing may
        take long; what the stream says meanwhile does not wait for it.
        """
        inbox = _Inbox(list_now=False)
        pump = asyncio.create_task(self._pump(signals, inbox))
        sweep: asyncio.Task[list[Announceable]] | None = None
        next_sweep = time.monotonic()
        try:
            while True:
                if inbox.landed:
                    yield self._tell("notification", list(self._taken(inbox).values()))
                if sweep is None and (inbox.list_now or time.monotonic() >= next_sweep):
                    inbox.list_now = False
                    sweep = asyncio.create_task(self._due())
                    sweep.add_done_callback(lambda _: inbox.wake.set())
                if sweep and sweep.done():
                    if due := self._still_due(sweep.result()):
                        yield self._tell("listing", due)
                    sweep, next_sweep = None, time.monotonic() + self._pause(inbox.down)
                    continue
                await self._remember()
                await self._wait(inbox, math.inf if sweep else next_sweep)
        finally:
            tasks = [pump, sweep] if sweep else [pump]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _pause(self, down: bool) -> float:
        """Seconds to the next sweep: short while the stream is down, or the last listing failed."""
        rhythm = self._rhythm
        in_trouble = down or bool(self._said)
        return min(rhythm.sweep_s, rhythm.sweep_when_down_s) if in_trouble else rhythm.sweep_s

    @staticmethod
    def _taken(inbox: _Inbox) -> dict[str, Announceable]:
        taken, inbox.landed = inbox.landed, {}
        return taken

    @staticmethod
    async def _wait(inbox: _Inbox, until: float) -> None:
        if inbox.ended:
            raise inbox.ended
        # Not wait_for: that of Python 3.11 swallows a cancellation that comes together with the wake.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await inbox.wake.wait()
        inbox.wake.clear()

    async def _pump(self, signals: AsyncIterator[Signal], inbox: _Inbox) -> None:
        try:
            async for signal in signals:
                self._receive(signal, inbox)
            inbox.ended = IrisError("The shared stream of notifications ended.")
        except Exception as error:  # noqa: BLE001 - handed to the watcher, which raises it
            inbox.ended = error
        inbox.wake.set()

    def _receive(self, signal: Signal, inbox: _Inbox) -> None:
        if signal.kind == "landed" and signal.object and self._is_watched(signal.object):
            inbox.landed[signal.object.digest] = signal.object
        elif signal.kind == "subscribed":
            inbox.list_now, inbox.down = True, False
        elif signal.kind == "down":
            inbox.list_now, inbox.down = inbox.list_now or not inbox.down, True
        else:
            return
        inbox.wake.set()

    def _is_watched(self, version: ObjectVersion) -> bool:
        return self._source.matches(version.key, version.size)

    async def _due(self) -> list[Announceable]:
        """Unaccounted objects that are to be announced; listed in a thread, a page at a time."""
        try:
            if self._refresh:
                await self._refresh()
            listing = self._unaccounted()
            due: list[Announceable] = []
            while page := await asyncio.to_thread(lambda: list(islice(listing, PAGE))):
                due += self._still_due(page)
                if len(due) >= PAGE:
                    break
        except IrisError as error:
            if str(error) != self._said:
                log.warning("Looking for unaccounted objects: %s Trying again.", error)
            self._said = str(error)
            return []
        self._said = ""
        return due

    def _still_due(self, objects: list[Announceable]) -> list[Announceable]:
        """Those that are to be announced (again): a notification may have been first."""
        now = time.time()
        return [item for item in objects if self._cursor.is_due(item.digest, now, self._rhythm)]

    async def _remember(self) -> None:
        """Store what was announced: after it was, since what a crash forgets is only announced once more."""
        if self._unsaved:
            # Whoever waits for the announcement has its turn first: storing asks the same supervisor.
            await asyncio.sleep(0)
            await self._save(self._cursor)
            self._unsaved = False

    def _tell(self, why: str, objects: list[Announceable]) -> dict[str, Any]:
        now = time.time()
        for item in objects:
            self._cursor.note(item.digest, now)
        self._unsaved = True
        newest = sorted(objects, key=lambda item: item.landed_at)[-SHOWN:]
        return {"why": why, "objects": len(objects), "newest": [item.uri for item in newest]}
