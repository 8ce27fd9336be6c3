"""Announces what lands in a bucket until it is confirmed: subscribe, then list, then follow.

An announcement is confirmed when its receiver has it for good. What is announced and not confirmed is
announced again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from iris_provider_minio.access import StoreAccess, minio_client
from iris_provider_minio.announced import Announced
from iris_provider_minio.cursor import Cursor, Rhythm
from iris_provider_minio.errors import BucketMissing
from iris_provider_minio.listing import DeleteMarker, listed
from iris_provider_minio.stream import Pace, Signal, follow
from iris_provider_minio.versions import ObjectVersion
from iris_provider_minio.watch import Announceable, Watch

MOST = 50_000
"""Objects that one listing announces at most; the next one goes on."""
SAVE_S = 1.0
CREATED, REMOVED = "created", "removed"


@dataclass(frozen=True)
class Wanted:
    """The objects that a feed is about.

    :param bucket: the bucket.
    :param prefix: the beginning of their keys.
    :param suffix: the end of their keys.
    :param events: `created`, `removed`, or both.
    """

    bucket: str
    prefix: str = ""
    suffix: str = ""
    events: frozenset[str] = frozenset({CREATED})

    @property
    def key(self) -> str:
        """The keys as a pattern, for logs."""
        return f"{self.prefix}*{self.suffix}"

    def matches(self, key: str, size: int | None = None) -> bool:
        """Whether an object with this key belongs here. Folder markers never do."""
        return key.startswith(self.prefix) and key.endswith(self.suffix) and not key.endswith("/")

    def takes(self, version: ObjectVersion) -> bool:
        """Whether this version of a listing belongs here."""
        event = REMOVED if isinstance(version, DeleteMarker) else CREATED
        return event in self.events and self.matches(version.key)


class ObjectFeed:
    """The announcements about one bucket.

    :param wanted: which objects.
    :param access: returns address and credentials; awaited before each connection and listing.
    :param announced: what has been announced; None on the very first start.
    :param save: stores the content of `announced`; awaited at most once a second.
    :param existing: whether the first start announces what is in the bucket already.
    :param pace: pings and pauses of the stream.
    :param rhythm: seconds between listings, and after which what is not confirmed is announced again.
    """

    def __init__(
        self,
        wanted: Wanted,
        access: Callable[[], Awaitable[StoreAccess]],
        announced: Announced | None,
        save: Callable[[dict[str, Any]], Awaitable[None]],
        existing: bool = True,
        pace: Pace | None = None,
        rhythm: Rhythm | None = None,
    ) -> None:
        self._wanted = wanted
        self._access = access
        self._announced = announced or Announced()
        self._skips = announced is None and not existing
        self._save = save
        self._unsaved = announced is None
        self._pace = pace
        self._rhythm = rhythm or Rhythm()
        self._under_way = Cursor()
        self._reached: float | None = None
        self._opened: StoreAccess | None = None

    def confirm(self, versions: Iterable[ObjectVersion]) -> None:
        """Note that the receiver has these for good."""
        for version in versions:
            self._announced.note(version)
            self._under_way.announced.pop(version.digest, None)
        self._unsaved = True

    async def announcements(self) -> AsyncGenerator[tuple[str, list[ObjectVersion]], None]:
        """Yield for ever why something is announced (`notification`, `listing`), and what, oldest first."""
        watch = Watch(
            self._wanted,
            self._new,
            self._under_way,
            _nothing,
            lambda why, objects, _: (why, objects),
            self._rhythm,
            self._refresh,
            most=MOST,
        )
        saver = asyncio.create_task(self._keep())
        try:
            async with aclosing(watch.announcements(self._signals(saver))) as announcements:
                async for announcement in announcements:
                    yield announcement
        finally:
            saver.cancel()
            await asyncio.gather(saver, return_exceptions=True)

    async def _signals(self, saver: asyncio.Task[None]) -> AsyncGenerator[Signal, None]:
        """The stream's signals, without what has been announced. A removal asks for a listing."""
        async with aclosing(follow(self._access, self._wanted.bucket, self._pace)) as signals:
            async for signal in signals:
                if saver.done():
                    saver.result()
                if signal.kind == "removed":
                    yield Signal("subscribed" if REMOVED in self._wanted.events else "tick")
                elif signal.object is None or self._is_wanted(signal.object):
                    yield signal

    def _is_wanted(self, version: ObjectVersion) -> bool:
        return (
            CREATED in self._wanted.events
            and self._announced.is_new(version)
            and self._under_way.is_due(version.digest, time.time(), self._rhythm)
        )

    def _new(self) -> Iterator[Announceable]:
        """Versions that have not been announced; runs in a thread."""
        newest, oldest_new = 0.0, float("inf")
        for version in self._listed():
            landed = version.landed_at.timestamp()
            newest = max(newest, landed)
            if not self._wanted.takes(version) or not self._announced.is_new(version):
                continue
            if self._skips:
                self._announced.note(version)
            else:
                oldest_new = min(oldest_new, landed)
                yield version
        # A store whose clock was ahead for a while has versions from the future; more come before them.
        self._reached = min(newest, oldest_new, time.time())
        if self._skips:
            self._skips, self._unsaved = False, True

    def _listed(self) -> Iterator[ObjectVersion]:
        assert self._opened is not None
        try:
            yield from listed(minio_client(self._opened), self._wanted.bucket, self._wanted.prefix)
        except BucketMissing:
            # Nothing is in it yet, so the first start leaves nothing out.
            self._skips = False
            raise

    async def _refresh(self) -> None:
        if self._reached is not None and self._announced.settle(self._reached):
            self._unsaved = True
        self._reached = None
        self._opened = await self._access()

    async def _keep(self) -> None:
        """Store the cursor for ever, where it has changed."""
        while True:
            await asyncio.sleep(SAVE_S)
            if self._unsaved and not self._skips:
                self._unsaved = False
                await self._save(self._announced.dump())


async def _nothing(cursor: Cursor) -> None:
    """What a watch has announced lately is not stored: the confirmed cursor is."""
