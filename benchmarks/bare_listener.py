"""What bench-provider stands beside: a watcher that only listens, and connects again after each break."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from airflow.triggers.base import TriggerEvent

from iris_provider_minio.hooks.minio import MinioHook
from iris_provider_minio.stream import Pace, follow
from iris_provider_minio.triggers.declared import DeclaredTrigger


class BareListenerTrigger(DeclaredTrigger):
    """Fires for each notification, at once; lists nothing, remembers nothing.

    :param bucket: the bucket to watch.
    """

    arguments = ("bucket",)

    def __init__(self, *, bucket: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bucket = bucket

    async def run(self) -> AsyncGenerator[TriggerEvent, None]:
        """Yield events for ever."""
        pace = Pace(ping_s=1, longest_pause_s=1.0)
        async with aclosing(follow(MinioHook().aaccess, self.bucket, pace)) as signals:
            async for signal in signals:
                if signal.object:
                    yield TriggerEvent({"objects": [{"key": signal.object.key}]})  # type: ignore[no-untyped-call]
