"""The announcements about a bucket, whatever times its listings tell."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from iris_provider_minio import feed
from iris_provider_minio.access import StoreAccess
from iris_provider_minio.cursor import Rhythm
from iris_provider_minio.feed import ObjectFeed, Wanted
from iris_provider_minio.versions import ObjectVersion

pytestmark = pytest.mark.integration


def version(key: str, landed_at: datetime) -> ObjectVersion:
    return ObjectVersion(bucket="b", key=key, version_id=key, etag="e", size=1, landed_at=landed_at)


async def nowhere() -> StoreAccess:
    return StoreAccess("http://127.0.0.1:1", "iris", "a-secret-key")


async def test_a_version_from_the_future_hides_no_later_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    there = [version("future", now + timedelta(days=2))]
    monkeypatch.setattr(feed, "listed", lambda *_: iter(there))
    cursors: list[dict[str, Any]] = []

    async def save(cursor: dict[str, Any]) -> None:
        cursors.append(cursor)

    rhythm = Rhythm(sweep_s=0.1, sweep_when_down_s=0.1)
    watched = ObjectFeed(Wanted("b"), nowhere, None, save, rhythm=rhythm)
    async with asyncio.timeout(20), aclosing(watched.announcements()) as announcements:
        async for _, found in announcements:
            watched.confirm(found)
            if found[0].key == "now":
                break
            following = asyncio.create_task(settled(cursors))
            following.add_done_callback(lambda _: there.append(version("now", now)))


async def settled(cursors: list[dict[str, Any]]) -> None:
    while not (cursors and cursors[-1]["floor"]):
        await asyncio.sleep(0.05)
