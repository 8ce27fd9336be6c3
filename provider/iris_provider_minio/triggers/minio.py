"""Watches a MinIO bucket for objects."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from iris_provider_minio.hooks.minio import CONN_ID, MinioHook
from iris_provider_minio.triggers.confirmed import Confirmable, ConfirmedTrigger

if TYPE_CHECKING:
    from iris_provider_minio.feed import ObjectFeed
    from iris_provider_minio.versions import ObjectVersion

CURSOR_KEY = "minio.announced"
IDENTITY = ("bucket", "prefix", "suffix", "events", "conn_id", "name")
"""The arguments with which a trigger finds its cursor again; the others may change."""
IN_AN_EVENT = 100
"""Objects that one event names at most."""


class MinioObjectTrigger(ConfirmedTrigger):
    """Fires when objects land in a bucket; for the watcher of an asset.

    Delivery is at least once. The notification stream of MinIO has no replay, so it only wakes: the trigger
    subscribes, lists the bucket, then follows the stream, and does so again after each break. Versions that
    are in the bucket and not in the cursor are announced. A version enters the cursor when Airflow has its
    event in the metadata database, and the cursor is stored with the asset (`asset_state_store`).

    - Never lost: a version that is still in the bucket when it is listed, whatever was killed meanwhile: the
      store, the triggerer, or the way between them. Exceptions: a version that becomes visible an hour after
      newer ones, or after 5,000 newer ones (a replica that catches up); a version that is deleted or, in a
      bucket without versions, overwritten before a listing.
    - Perhaps twice: what was announced in the last seconds before the triggerer ended; everything, if this
      trigger runs in two triggerers at once. In a bucket without versions also an object whose notification
      and listing differ by a second.
    - After the event it is Airflow that decides: it drops events of a DAG that is paused.

    The event's payload: `why` (`notification` or `listing`) and `objects`, at most 100, oldest first, each
    with `event`, `uri`, `bucket`, `key`, `version_id`, `etag`, `size`, `landed_at`.

    :param bucket: the bucket to watch.
    :param prefix: the beginning of the keys.
    :param suffix: the end of the keys.
    :param events: `created`, `removed`, or both. Removals are seen in buckets with versions only, where they
        leave delete markers.
    :param conn_id: the Airflow connection of the store, of type `minio` or `aws`.
    :param existing: whether the first start announces what is in the bucket already.
    :param ping_s: seconds between the stream's pings; without a line for three pings it is opened again.
    :param sweep_s: seconds between two listings while the stream works; more where listings take long.
    :param name: tells two triggers apart that are alike otherwise, and watch for different assets.
    """

    arguments = ("bucket", "prefix", "suffix", "events", "conn_id", "existing", "ping_s", "sweep_s", "name")

    def __init__(
        self,
        *,
        bucket: str,
        prefix: str = "",
        suffix: str = "",
        events: Sequence[str] = ("created",),
        conn_id: str = CONN_ID,
        existing: bool = True,
        ping_s: int = 5,
        sweep_s: float = 60.0,
        name: str = "",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        chosen = sorted(set(events))
        if not chosen or set(chosen) - {"created", "removed"}:
            raise ValueError(f"events are 'created' and 'removed', not {chosen}")
        self.bucket = bucket
        self.prefix = prefix
        self.suffix = suffix
        self.events = chosen
        self.conn_id = conn_id
        self.existing = existing
        self.ping_s = ping_s
        self.sweep_s = sweep_s
        self.name = name

    async def source(self) -> Confirmable:
        """The announcements, with the cursor of the asset."""
        from iris_provider_minio.announced import Announced
        from iris_provider_minio.cursor import Rhythm
        from iris_provider_minio.feed import ObjectFeed, Wanted
        from iris_provider_minio.stream import Pace

        key = f"{CURSOR_KEY}.{self.digest(*IDENTITY)}"

        async def save(cursor: dict[str, Any]) -> None:
            await self.save(key, cursor)

        feed = ObjectFeed(
            Wanted(self.bucket, self.prefix, self.suffix, frozenset(self.events)),
            MinioHook(conn_id=self.conn_id).aaccess,
            Announced.parse(await self.load(key)),
            save,
            self.existing,
            Pace(ping_s=self.ping_s),
            Rhythm(sweep_s=self.sweep_s),
        )
        return _Payloads(feed)


class _Payloads:
    """The announcements of a feed as payloads of events."""

    def __init__(self, feed: ObjectFeed) -> None:
        self._feed = feed
        self.confirm = feed.confirm

    async def payloads(self) -> AsyncGenerator[tuple[Any, Any], None]:
        async with aclosing(self._feed.announcements()) as announcements:
            async for why, versions in announcements:
                for start in range(0, len(versions), IN_AN_EVENT):
                    part = versions[start : start + IN_AN_EVENT]
                    yield {"why": why, "objects": [told(version) for version in part]}, part


def told(version: ObjectVersion) -> dict[str, Any]:
    """What an event tells of a version."""
    from iris_provider_minio.listing import DeleteMarker

    event = "removed" if isinstance(version, DeleteMarker) else "created"
    return {"event": event, "uri": version.uri, **version.model_dump(mode="json")}
