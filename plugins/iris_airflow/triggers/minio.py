"""Watches a MinIO bucket for landed objects without a record in the ledger."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Iterator
from typing import TYPE_CHECKING, Any

from iris_airflow.hooks.minio import CONN_ID, MinioHook
from iris_airflow.triggers.watch import WatchTrigger

if TYPE_CHECKING:
    from airflow.triggers.base import TriggerEvent

    from iris_core.ledger import Ledger
    from iris_core.ledger.source import Source
    from iris_core.store.objects import ObjectStore
    from iris_provider_minio.stream import Signal
    from iris_provider_minio.watch import Announceable


class MinioObjectTrigger(WatchTrigger):
    """Fires when an object lands, and when a listing finds one without a record.

    Delivery is at least once: the notification stream has no replay, so a listing follows each
    (re)connection, and a sweep announces objects again that still have no record. An event only says "look
    now": duplicate, late or needless events change nothing, even if this trigger runs in two triggerers at
    once. Watchers on one bucket share one stream.

    :param bucket: the bucket to watch.
    :param key: one object's key, or a prefix that ends in `/`.
    :param kind: the kind of decision that an object must have in the ledger, such as `training`.
    :param env: the ledger's section: the environment, and the project unless it is the default one.
    :param conn_id: the Airflow connection of the store.
    :param ping_s: seconds between the stream's pings; without a line for three pings it is opened again.
    :param sweep_s: seconds between two listings while the stream works.
    :param grace_s: seconds after which an announced object that still has no record is announced again.
    """

    arguments = ("bucket", "key", "kind", "env", "conn_id", "ping_s", "sweep_s", "grace_s")

    def __init__(
        self,
        *,
        bucket: str,
        key: str,
        kind: str,
        env: str,
        conn_id: str = CONN_ID,
        ping_s: int = 5,
        sweep_s: float = 60.0,
        grace_s: float = 60.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bucket = bucket
        self.key = key
        self.kind = kind
        self.env = env
        self.conn_id = conn_id
        self.ping_s = ping_s
        self.sweep_s = sweep_s
        self.grace_s = grace_s

    def shared_stream_key(self) -> Hashable:
        """The key of the stream, which watchers on one bucket of one store share."""
        return (type(self).__qualname__, self.conn_id, self.bucket, self.ping_s)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Signal]:
        """Yield signals of the bucket for ever."""
        from iris_provider_minio.stream import Pace, follow

        hook = MinioHook(conn_id=kwargs["conn_id"])
        async for signal in follow(hook.aaccess, kwargs["bucket"], Pace(ping_s=kwargs["ping_s"])):
            yield signal

    async def run(self) -> AsyncGenerator[TriggerEvent, None]:
        """Yield events from the trigger's own stream, where Airflow cannot share streams."""
        async for event in self.filter_shared_stream(self.open_shared_stream(self.serialize()[1])):
            yield event

    def _owed(self, store: ObjectStore, ledger: Ledger, source: Source) -> Iterator[Announceable]:
        from iris_core.ledger.owed import unaccounted

        return unaccounted(store, ledger, self.kind, source)  # type: ignore[arg-type]
