"""Turns signals and listings into announcements: "look now". The run that looks decides what is owed.

A duplicate, late or needless announcement does no harm; a missing one is made good by the next sweep.
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

from iris_provider_minio.budget import TRIGGERER, Stopwatch, SweepBudget, SweepPace
from iris_provider_minio.cursor import Cursor, Rhythm
from iris_provider_minio.errors import ProviderError
from iris_provider_minio.stream import Signal
from iris_provider_minio.versions import ObjectVersion

log = logging.getLogger(__name__)

PAGE = 1000


class Announceable(Protocol):
    """Something that can be announced: `digest` identifies it, `uri` shows it, `landed_at` orders it."""

    @property
    def digest(self) -> str: ...
    @property
    def uri(self) -> str: ...
    @property
    def landed_at(self) -> datetime: ...


class Watched(Protocol):
    """What a watch is about: `bucket` and `key` name it in logs, `matches` decides about a landed object."""

    @property
    def bucket(self) -> str: ...
    @property
    def key(self) -> str: ...
    def matches(self, key: str, size: int | None = None) -> bool: ...


Describe = Callable[[str, list[Announceable], bool], Any]


@dataclass
class _Inbox:
    """Signals received since the last announcement. A burst of signals becomes one announcement."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    landed: dict[str, Announceable] = field(default_factory=dict)
    list_now: bool = True
    down: bool = False
    ended: BaseException | None = None


class Watch:
    """Watches one source over a bucket's shared signals.

    :param source: where the objects land.
    :param unaccounted: lists objects without a decision; runs in a thread.
    :param cursor: what has been announced so far.
    :param save: stores the cursor.
    :param describe: makes the content of an announcement of `notification` or `listing`, the objects, oldest
        first, and whether they are all that may be new: before the first announcement something may be that
        no notification told of.
    :param rhythm: times of sweeps and repeated announcements.
    :param refresh: awaited before each listing, to pick up changed credentials.
    :param tell: stores how often the watch lists, whenever that changes.
    :param most: a listing ends when it has found so many objects to announce; the next one goes on.
    :param budget: the time that listings may take, shared with the other watches of this process.
    """

    def __init__(
        self,
        source: Watched,
        unaccounted: Callable[[], Iterator[Announceable]],
        cursor: Cursor,
        save: Callable[[Cursor], Awaitable[None]],
        describe: Describe,
        rhythm: Rhythm | None = None,
        refresh: Callable[[], Awaitable[None]] | None = None,
        tell: Callable[[SweepPace], Awaitable[None]] | None = None,
        budget: SweepBudget = TRIGGERER,
        most: int = PAGE,
    ) -> None:
        self._source = source
        self._unaccounted = unaccounted
        self._cursor = cursor
        self._save = save
        self._describe = describe
        self._most = most
        self._rhythm = rhythm or Rhythm()
        self._refresh = refresh
        self._tell_pace = tell
        self._budget = budget
        self._told: SweepPace | None = None
        self._said = ""
        self._unsaved = False
        self._is_first = True

    async def announcements(self, signals: AsyncIterator[Signal]) -> AsyncGenerator[Any, None]:
        """Yield announcements for ever: objects on the stream at once, unaccounted ones after a listing.

        A listing follows every `subscribed`, so nothing is lost between two connections. The watch also
        begins with a listing, because a watcher that joins a shared stream late has missed its `subscribed`.
        A listing may take long; objects from the stream do not wait for it. The more time listings take, the
        longer are the pauses between them, whatever asks for one (`SweepBudget`).
        """
        inbox = _Inbox()
        pump = asyncio.create_task(self._pump(signals, inbox))
        sweep: asyncio.Task[list[Announceable]] | None = None
        swept = -math.inf
        try:
            while True:
                if inbox.landed:
                    yield self._tell("notification", list(self._taken(inbox).values()))
                if sweep is None and time.monotonic() >= self._next_sweep(inbox, swept):
                    inbox.list_now = False
                    sweep = asyncio.create_task(self._due())
                    sweep.add_done_callback(lambda _: inbox.wake.set())
                if sweep and sweep.done():
                    if due := self._still_due(sweep.result()):
                        yield self._tell("listing", due)
                    sweep, swept = None, time.monotonic()
                    await self._report()
                    continue
                await self._remember()
                await self._wait(inbox, math.inf if sweep else self._next_sweep(inbox, swept))
        finally:
            self._budget.forget(self)
            tasks = [pump, sweep] if sweep else [pump]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _next_sweep(self, inbox: _Inbox, swept: float) -> float:
        """When to list next; `swept` is when the last listing ended."""
        return swept + max(0.0 if inbox.list_now else self._wished(inbox.down), self._budget.pause(self))

    def _wished(self, down: bool) -> float:
        """Seconds between sweeps that cost nothing: few while the stream is down, or a listing failed."""
        rhythm = self._rhythm
        in_trouble = down or bool(self._said)
        return min(rhythm.sweep_s, rhythm.sweep_when_down_s) if in_trouble else rhythm.sweep_s

    async def _report(self) -> None:
        """Tell people how long a listing takes and when the next one follows, where that has changed much."""
        pause = max(self._rhythm.sweep_s, self._budget.pause(self))
        pace = SweepPace(round(self._budget.took(self), 3), round(pause, 3))
        if not pace.differs(self._told):
            return
        if self._told or pause > self._rhythm.sweep_s:
            log.info(
                "Listing s3://%s/%s took %.1f s. The next listing follows in %.0f s: "
                "listings may take %g %% of the triggerer's time.",
                self._source.bucket,
                self._source.key,
                pace.took_s,
                pace.pause_s,
                100 * self._budget.share,
            )
        self._told = pace
        if self._tell_pace:
            await self._tell_pace(pace)

    @staticmethod
    def _taken(inbox: _Inbox) -> dict[str, Announceable]:
        taken, inbox.landed = inbox.landed, {}
        return taken

    @staticmethod
    async def _wait(inbox: _Inbox, until: float) -> None:
        if inbox.ended:
            raise inbox.ended
        # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the wake.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await inbox.wake.wait()
        inbox.wake.clear()

    async def _pump(self, signals: AsyncIterator[Signal], inbox: _Inbox) -> None:
        try:
            async for signal in signals:
                self._receive(signal, inbox)
            inbox.ended = ProviderError("The shared stream of notifications ended.")
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
        """Unaccounted objects that must be announced; listed in a thread, a page at a time."""
        watch = Stopwatch()
        try:
            if self._refresh:
                await self._refresh()
            due = await self._listed(watch)
        except ProviderError as error:
            if str(error) != self._said:
                log.warning("Looking for unaccounted objects: %s Trying again.", error)
            self._said = str(error)
            # To wait for a store that does not answer costs the triggerer nothing.
            self._budget.note(self, watch.cpu_s)
            return []
        self._said = ""
        self._budget.note(self, watch.seconds)
        return due

    async def _listed(self, watch: Stopwatch) -> list[Announceable]:
        listing, began = self._unaccounted(), time.time()
        due: list[Announceable] = []
        owed: set[str] = set()
        while page := await asyncio.to_thread(watch.run, lambda: list(islice(listing, PAGE))):
            owed.update(item.digest for item in page)
            due += self._still_due(page)
            if len(due) >= self._most:
                return due
        self._cursor.keep(owed, began)
        return due

    def _still_due(self, objects: list[Announceable]) -> list[Announceable]:
        """The objects that must be announced (again); a notification may have announced one already."""
        now = time.time()
        return [item for item in objects if self._cursor.is_due(item.digest, now, self._rhythm)]

    async def _remember(self) -> None:
        """Store the cursor, after the announcement: if a crash loses it, objects are only announced again."""
        if self._unsaved:
            # The task that waits for the announcement runs first, since storing asks the same supervisor.
            await asyncio.sleep(0)
            await self._save(self._cursor)
            self._unsaved = False

    def _tell(self, why: str, objects: list[Announceable]) -> Any:
        now = time.time()
        for item in objects:
            self._cursor.note(item.digest, now)
        self._unsaved = True
        is_first, self._is_first = self._is_first, False
        return self._describe(why, sorted(objects, key=lambda item: item.landed_at), not is_first)
