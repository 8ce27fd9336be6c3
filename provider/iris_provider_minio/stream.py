"""Turns a bucket's notification stream into signals that never end: it connects again after every break.

The stream has no cursor and no replay, so a signal `subscribed` means: list now, since events may have been
missed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import aiohttp

from iris_provider_minio.access import StoreAccess
from iris_provider_minio.errors import ProviderError, StoreUnusable
from iris_provider_minio.notification import landed
from iris_provider_minio.versions import ObjectVersion

log = logging.getLogger(__name__)

EVENTS = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Signal:
    """A signal of the stream: subscribed or down, an object landed or was removed, or something else."""

    kind: Literal["subscribed", "landed", "removed", "tick", "down"]
    object: ObjectVersion | None = None


@dataclass(frozen=True)
class Pace:
    """Seconds between pings, and bounds of the pause before the next attempt.

    If no line comes for three pings, the stream is deaf and is opened again.
    """

    ping_s: int = 5
    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0

    def pause(self, failures: int) -> float:
        """Seconds to the next attempt: exponential backoff with jitter (AWS Architecture Blog, 2015)."""
        ceiling = min(self.longest_pause_s, self.first_pause_s * 2 ** min(failures, 16))
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter, not a secret


async def follow(
    access: Callable[[], Awaitable[StoreAccess]], bucket: str, pace: Pace | None = None
) -> AsyncGenerator[Signal, None]:
    """Yield signals of a bucket for ever. Each kind of trouble is logged once, until the stream works again.

    :param access: returns address and credentials; awaited before each attempt, so that changes are seen.
    :param bucket: the bucket.
    :param pace: pings and pauses.
    """
    pace = pace or Pace()
    failures, said = 0, ""
    while True:
        try:
            async for signal in _stream(await access(), bucket, pace):
                if signal.kind == "tick":
                    failures, said = 0, ""
                yield signal
            trouble = "the stream ended"
        except aiohttp.SocketTimeoutError:
            trouble = f"no line for {3 * pace.ping_s} s, so the stream is deaf"
        except (aiohttp.ClientError, OSError, ValueError, ProviderError) as error:
            trouble = str(error) or type(error).__name__
        if trouble != said:
            log.warning("Notifications of bucket %s: %s. Listing instead, and trying again.", bucket, trouble)
            said = trouble
        yield Signal("down")
        await asyncio.sleep(pace.pause(failures))
        failures += 1


async def _stream(access: StoreAccess, bucket: str, pace: Pace) -> AsyncGenerator[Signal, None]:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=3 * pace.ping_s)
    async with (
        aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
        session.get(**_request(access, bucket, pace.ping_s)) as response,
    ):
        _check(response, bucket)
        yield Signal("subscribed")
        async for line in response.content:
            if line.strip():
                versions = list(landed(line))
                yield Signal("tick")
                for version in versions:
                    yield Signal("landed", version)
                if b"s3:ObjectRemoved:" in line:
                    yield Signal("removed")


def _check(response: aiohttp.ClientResponse, bucket: str) -> None:
    if response.status in (401, 403):
        raise StoreUnusable(
            "the store refused the credentials, or their policy lacks s3:ListenBucketNotification"
        )
    if response.status == 404:
        raise StoreUnusable(f"there is no bucket {bucket} (yet)")
    if response.status != 200:
        raise StoreUnusable(f"the store answered {response.status}")
    if response.content_type != "text/event-stream":
        raise StoreUnusable("the store has no listen API (only MinIO has)")


def _request(access: StoreAccess, bucket: str, ping_s: int) -> dict[str, Any]:
    """Arguments of a SigV4-signed GET. `events` must be signed in sorted order, or the store answers 403."""
    from minio.credentials.credentials import Credentials
    from minio.signer import sign_v4_s3
    from yarl import URL

    pairs = [("events", name) for name in sorted(EVENTS)] + [("ping", str(ping_s))]
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
    base = urlsplit(access.endpoint_url)
    url = f"{base.scheme}://{base.netloc}/{bucket}?{query}"
    now = datetime.now(UTC)
    empty = sha256(b"").hexdigest()
    headers: dict[str, str | list[str] | tuple[str]] = {
        "Host": base.netloc,
        "x-amz-content-sha256": empty,
        "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
    }
    signed = sign_v4_s3(
        method="GET",
        url=urlsplit(url),
        region=access.region,
        headers=headers,
        credentials=Credentials(access.access_key_id, access.secret_access_key),
        content_sha256=empty,
        date=now,
    )
    return {"url": URL(url, encoded=True), "headers": {**signed, "Accept-Encoding": "identity"}}
