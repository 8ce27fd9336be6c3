"""What the watchers have in common: announcements become events, the cursor survives a restart."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

if TYPE_CHECKING:
    from iris_core.listen import Signal
    from iris_core.watch import Cursor, Watch

CURSOR_KEY = "iris.announced"


class WatchTrigger(BaseEventTrigger):
    """Fires for each announcement of a watch.

    Subclasses name their constructor's arguments in `arguments`, in order of importance.
    """

    arguments: tuple[str, ...] = ()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and every argument."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {name: getattr(self, name) for name in self.arguments}

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Signal]) -> AsyncIterator[TriggerEvent]:
        """Announcements of this watcher's source."""
        watch = await self._watch()
        async for announcement in watch.announcements(shared_stream):
            yield TriggerEvent(announcement)  # type: ignore[no-untyped-call]

    @abstractmethod
    async def _watch(self) -> Watch:
        """The watch that turns signals into announcements."""

    async def _load(self) -> Cursor:
        from iris_core.watch import Cursor

        if self.asset_state_store is None:
            return Cursor()
        return Cursor.parse(await self.asset_state_store.aget(CURSOR_KEY, default={}))

    async def _save(self, cursor: Cursor) -> None:
        if self.asset_state_store is not None:
            await self.asset_state_store.aset(CURSOR_KEY, cursor.dump())
