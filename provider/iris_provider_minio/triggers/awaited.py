"""Triggers of the sensors: each fires once, for one task, and ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from iris_provider_minio.hooks.minio import MinioHook
from iris_provider_minio.hooks.mlflow import MlflowHook

LOOK_AGAIN_S = 60.0
BREAKS = ("subscribed", "down")


class MinioObjectAwaited(BaseTrigger):
    """Fires when an object exists: it subscribes, lists, and lists again when such an object lands.

    It also lists once a minute, and after each break of the stream, which has no replay. The payload has
    `event`, `uri`, `bucket`, `key`, `version_id`, `etag`, `size` and `landed_at`.

    :param bucket: the bucket.
    :param prefix: the beginning of the key.
    :param suffix: the end of the key.
    :param conn_id: the Airflow connection of the store.
    :param ping_s: seconds between the stream's pings.
    """

    def __init__(self, bucket: str, prefix: str, suffix: str, conn_id: str, ping_s: int = 5) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bucket = bucket
        self.prefix = prefix
        self.suffix = suffix
        self.conn_id = conn_id
        self.ping_s = ping_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class path and every argument."""
        return _serialized(self, "bucket", "prefix", "suffix", "conn_id", "ping_s")

    async def run(self) -> AsyncGenerator[TriggerEvent, None]:
        """Yield one event."""
        from iris_provider_minio.errors import StoreUnusable
        from iris_provider_minio.feed import Wanted
        from iris_provider_minio.listing import existing
        from iris_provider_minio.stream import Pace, follow
        from iris_provider_minio.triggers.minio import told

        hook, clock = MinioHook(conn_id=self.conn_id), asyncio.get_running_loop().time
        wanted = Wanted(self.bucket, self.prefix, self.suffix)
        looked_at = -LOOK_AGAIN_S
        async with aclosing(follow(hook.aaccess, self.bucket, Pace(self.ping_s))) as signals:
            async for signal in signals:
                is_news = wanted.matches(signal.object.key) if signal.object else signal.kind in BREAKS
                if not is_news and clock() - looked_at < LOOK_AGAIN_S:
                    continue
                looked_at = clock()
                try:
                    found = await asyncio.to_thread(
                        existing, await hook.aaccess(), self.bucket, self.prefix, self.suffix
                    )
                except StoreUnusable as error:
                    self.log.warning("%s Trying again.", error)
                    continue
                if found:
                    yield TriggerEvent(told(found))  # type: ignore[no-untyped-call]
                    return


class MlflowAliasAwaited(BaseTrigger):
    """Fires when an alias names a version; the payload is that of `MlflowAliasTrigger`.

    :param model: the registered model.
    :param alias: the alias.
    :param conn_id: the Airflow connection of MLflow.
    :param poll_s: seconds between two requests.
    """

    def __init__(self, model: str, alias: str, conn_id: str, poll_s: float = 5.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self.alias = alias
        self.conn_id = conn_id
        self.poll_s = poll_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class path and every argument."""
        return _serialized(self, "model", "alias", "conn_id", "poll_s")

    async def run(self) -> AsyncGenerator[TriggerEvent, None]:
        """Yield one event."""
        from iris_provider_minio.alias import RegistryAlias
        from iris_provider_minio.triggers.mlflow_alias import told

        access = await MlflowHook(conn_id=self.conn_id).aaccess()
        poll = RegistryAlias(access, self.model, self.alias, self.poll_s)
        async with aclosing(poll.signals()) as signals:
            async for _ in signals:
                if poll.version is not None:
                    yield TriggerEvent(told(poll.version, self.alias))  # type: ignore[no-untyped-call]
                    return


def _serialized(trigger: BaseTrigger, *names: str) -> tuple[str, dict[str, Any]]:
    path = f"{type(trigger).__module__}.{type(trigger).__qualname__}"
    return path, {name: getattr(trigger, name) for name in names}
