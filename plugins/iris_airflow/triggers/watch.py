"""The base of the watchers: turns announcements into events, and keeps the cursor over a restart."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from iris_airflow.hooks.minio import MinioHook
from iris_core.settings.names import SWEEP_STATE
from iris_provider_minio.triggers.declared import DeclaredTrigger

if TYPE_CHECKING:
    from iris_core.ledger import Ledger
    from iris_core.ledger.source import Source
    from iris_core.store.objects import ObjectStore, StoreAccess
    from iris_provider_minio.budget import SweepPace
    from iris_provider_minio.cursor import Cursor
    from iris_provider_minio.stream import Signal
    from iris_provider_minio.watch import Announceable, Watch

CURSOR_KEY = "iris.announced"


def told(why: str, objects: Sequence[Announceable], are_all: bool) -> dict[str, Any]:
    """Content of an event: why it was sent, and which objects it is about."""
    from iris_core.ledger.look import announced

    return {"why": why, **announced([item.uri for item in objects], are_all)}


class _Opened:
    """The store and ledger of a watcher's connection, opened again when its credentials change."""

    store: ObjectStore
    ledger: Ledger

    def __init__(self, trigger: WatchTrigger) -> None:
        self._trigger = trigger
        self._access: StoreAccess | None = None

    async def refresh(self) -> None:
        from iris_core.ledger import Ledger
        from iris_core.store.objects import ObjectStore

        access = await MinioHook(conn_id=self._trigger.conn_id).aaccess()
        if access != self._access:
            self._access, self.store = access, ObjectStore(access)
            self.ledger = Ledger(self.store, self._trigger.bucket, self._trigger.env)


class WatchTrigger(DeclaredTrigger):
    """Fires for each announcement of a watch.

    Subclasses name their constructor's arguments in `arguments`, in order of importance.
    """

    bucket: str
    key: str
    env: str
    conn_id: str
    sweep_s: float
    grace_s: float

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Signal]) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each announcement of this watcher's source."""
        watch = await self._watch()
        async for announcement in watch.announcements(shared_stream):
            yield TriggerEvent(announcement)  # type: ignore[no-untyped-call]

    @abstractmethod
    def _owed(self, store: ObjectStore, ledger: Ledger, source: Source) -> Iterator[Announceable]:
        """Objects that must be announced now; runs in a thread."""

    async def _watch(self) -> Watch:
        from iris_core.ledger.source import Source
        from iris_provider_minio.cursor import Rhythm
        from iris_provider_minio.watch import Watch

        source = Source(self.bucket, self.key)
        opened = _Opened(self)
        return Watch(
            source,
            lambda: self._owed(opened.store, opened.ledger, source),
            await self._load(),
            self._save,
            told,
            Rhythm(sweep_s=self.sweep_s, grace_s=self.grace_s),
            opened.refresh,
            self._save_pace,
        )

    async def _load(self) -> Cursor:
        from iris_provider_minio.cursor import Cursor

        if self.asset_state_store is None:
            return Cursor()
        return Cursor.parse(await self.asset_state_store.aget(CURSOR_KEY, default={}))

    async def _save(self, cursor: Cursor) -> None:
        if self.asset_state_store is not None:
            await self.asset_state_store.aset(CURSOR_KEY, cursor.dump())

    async def _save_pace(self, pace: SweepPace) -> None:
        """Store how often this watcher lists, for `iris status`."""
        if self.asset_state_store is not None:
            await self.asset_state_store.aset(SWEEP_STATE, asdict(pace))
