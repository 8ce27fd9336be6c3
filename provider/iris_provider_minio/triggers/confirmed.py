"""A stream of Airflow's in which a watcher learns that its events are in the metadata database.

Airflow calls a stream that is confirmed "shared", and its confirmation "ack mode"
(`airflow.triggers.shared_stream`). Here nothing is shared: each trigger has a stream of its own.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airflow.triggers.base import TriggerEvent
from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from iris_provider_minio.triggers.declared import DeclaredTrigger

if TYPE_CHECKING:
    from collections.abc import Hashable


class Confirmable(Protocol):
    """What a trigger makes events of, and learns when they are stored."""

    def payloads(self) -> AsyncGenerator[tuple[Any, Any], None]:
        """Yield for ever an event's payload, and what `confirm` gets once it is stored."""

    def confirm(self, receipt: Any) -> None:
        """The event with this receipt is in Airflow's database."""


@dataclass(frozen=True)
class _Begin:
    """The first item of a stream: asks the trigger for what it makes events of, with its state store."""

    answer: asyncio.Future[Confirmable]


class ConfirmedStream(SharedStreamProducer):
    """One trigger's stream."""

    def __init__(self) -> None:
        self._source: Confirmable | None = None

    async def open_stream(self) -> AsyncGenerator[tuple[Any, Any], None]:
        """Yield each event's payload with its receipt, for ever."""
        begin = _Begin(asyncio.get_running_loop().create_future())
        yield begin, begin
        self._source = source = await begin.answer
        async with aclosing(source.payloads()) as payloads:
            async for payload, receipt in payloads:
                yield payload, receipt

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Confirm the events that Airflow has stored; the others are announced again."""
        for item in batch:
            if item.outcome.is_clean and not isinstance(item.broker_payload, _Begin) and self._source:
                self._source.confirm(item.broker_payload)


class ConfirmedTrigger(DeclaredTrigger):
    """Fires for each payload of a source, and tells the source when the event is stored."""

    @abstractmethod
    async def source(self) -> Confirmable:
        """What this trigger makes events of, with the cursor of its asset."""

    def shared_stream_key(self) -> Hashable:
        """The key of this trigger's own stream."""
        return self.digest(*self.arguments)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """The stream that confirms."""
        return ConfirmedStream()

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each payload."""
        async for item in shared_stream:
            if isinstance(item, _Begin):
                item.answer.set_result(await self.source())
            else:
                yield TriggerEvent(item)  # type: ignore[no-untyped-call]

    async def run(self) -> AsyncGenerator[TriggerEvent, None]:
        """Yield events outside of a triggerer: one counts as stored when the next one is asked for."""
        source = await self.source()
        async with aclosing(source.payloads()) as payloads:
            async for payload, receipt in payloads:
                yield TriggerEvent(payload)  # type: ignore[no-untyped-call]
                source.confirm(receipt)

    async def load(self, key: str) -> Any:
        """What `save` stored under this key at the trigger's asset; None if there is nothing.

        Without a state store, or with several assets, it is None after each restart.
        """
        if self.asset_state_store is None:
            return None
        try:
            return await self.asset_state_store.aget(key, default=None)
        except ValueError:
            self.log.warning(
                "This trigger watches for several assets, so its cursor is lost with the triggerer: "
                "give the trigger of each asset a `name` of its own."
            )
            self.asset_state_store = None
            return None

    async def save(self, key: str, value: Any) -> None:
        """Store a value at the trigger's asset."""
        if self.asset_state_store is not None:
            await self.asset_state_store.aset(key, value)
