"""A bucket's notification stream, against a real HTTP server that misbehaves as stores do."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from iris_core.ledger.workspace import Workspace
from iris_core.store.objects import ObjectStore, StoreAccess
from iris_provider_minio.stream import EVENTS, Pace, Signal, follow

pytestmark = pytest.mark.integration

STREAM = Path(__file__).parents[2] / "fixtures" / "minio-records" / "stream.jsonl"
PUT = {"Records": [json.loads(STREAM.read_text(encoding="utf-8").splitlines()[0])["record"]]}
EVENT = json.dumps(PUT).encode() + b"\n"
PING = b'{"Records":null}\n'
SECRET = "a-secret-key"
FAST = Pace(ping_s=5, first_pause_s=0.01, longest_pause_s=0.02)
IMPATIENT = Pace(ping_s=0.1, first_pause_s=0.01, longest_pause_s=0.02)  # type: ignore[arg-type]
"""MinIO wants whole seconds; this server doesn't care."""

Visit = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(*lines: bytes, then: str = "end", content_type: str = "text/event-stream") -> Visit:
    """Send lines on a stream, then end it or fall silent."""

    async def visit(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        for line in lines:
            await response.write(line)
            await asyncio.sleep(0.01)
        if then == "silence":
            await asyncio.sleep(3600)
        return response

    return visit


def status(code: int) -> Visit:
    async def visit(request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text="<Error/>", content_type="application/xml")

    return visit


async def mute(request: web.Request) -> web.StreamResponse:
    """Not even headers: what a MinIO build does that never flushes."""
    await asyncio.sleep(3600)
    return web.Response()


@dataclass
class Store:
    """Answers the first visits as scripted, every further one like the last."""

    url: str = ""
    script: list[Visit] = field(default_factory=list)
    requests: list[web.Request] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        visit = self.script[min(len(self.requests), len(self.script) - 1)]
        self.requests.append(request)
        self.times.append(time.monotonic())
        try:
            return await visit(request)
        except asyncio.CancelledError:
            self.left.set()
            raise

    async def access(self) -> StoreAccess:
        return StoreAccess(self.url, "iris", SECRET)

    def signals(self, *script: Visit, pace: Pace = FAST) -> AsyncGenerator[Signal, None]:
        self.script = list(script)
        return follow(self.access, "team-a-bucket", pace)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = Store()
    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", store.handle)
    runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    store.url = f"http://{host}:{port}"
    yield store
    await runner.cleanup()


async def take(signals: AsyncGenerator[Signal, None], number: int, within: float = 10.0) -> list[Signal]:
    taken: list[Signal] = []
    async with asyncio.timeout(within), aclosing(signals) as open_signals:
        async for signal in open_signals:
            taken.append(signal)
            if len(taken) == number:
                break
    return taken


async def kinds(signals: AsyncGenerator[Signal, None], number: int) -> list[str]:
    return [signal.kind for signal in await take(signals, number)]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "iris_provider_minio.stream"]


class TestSignals:
    async def test_subscribed_comes_first_then_ticks(self, store: Store) -> None:
        assert await kinds(store.signals(answer(PING, PING, then="silence")), 3) == [
            "subscribed",
            "tick",
            "tick",
        ]

    async def test_subscribed_needs_no_line(self, store: Store) -> None:
        assert await kinds(store.signals(answer(then="silence")), 1) == ["subscribed"]

    async def test_an_event_is_a_tick_and_the_object(self, store: Store) -> None:
        taken = await take(store.signals(answer(EVENT, then="silence")), 3)
        assert [signal.kind for signal in taken] == ["subscribed", "tick", "landed"]
        assert taken[2].object is not None
        assert taken[2].object.key == "iris/iris_train.csv"

    async def test_a_line_in_pieces_is_one_line(self, store: Store) -> None:
        taken = store.signals(answer(EVENT[:100], EVENT[100:] + EVENT + PING, then="silence"))
        assert await kinds(taken, 6) == ["subscribed", "tick", "landed", "tick", "landed", "tick"]

    async def test_empty_lines_say_nothing(self, store: Store) -> None:
        assert await kinds(store.signals(answer(b"\n", b" \n", PING, then="silence")), 2) == [
            "subscribed",
            "tick",
        ]

    async def test_whoever_stops_listening_hangs_up(self, store: Store) -> None:
        await take(store.signals(answer(PING, then="silence")), 2)
        await asyncio.wait_for(store.left.wait(), 5)


class TestDown:
    async def test_a_stream_that_falls_silent_is_deaf(
        self, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        begin = time.monotonic()
        signals = store.signals(answer(PING, then="silence"), pace=IMPATIENT)
        assert await kinds(signals, 3) == ["subscribed", "tick", "down"]
        assert 0.3 <= time.monotonic() - begin < 2
        [message] = said(caplog)
        assert "team-a-bucket" in message
        assert "deaf" in message

    @pytest.mark.parametrize("visit", [mute, answer(then="silence")])
    async def test_deafness_is_said_once_and_tried_again(
        self, store: Store, caplog: pytest.LogCaptureFixture, visit: Visit
    ) -> None:
        signals = await kinds(store.signals(visit, pace=IMPATIENT), 6)
        assert signals.count("down") >= 3
        assert len(store.requests) >= 3
        assert len(said(caplog)) == 1

    async def test_pings_keep_a_stream_alive(self, store: Store) -> None:
        async def pings(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            for _ in range(10):
                await response.write(PING)
                await asyncio.sleep(0.1)
            return response

        signals = await kinds(store.signals(pings, pace=IMPATIENT), 12)
        assert signals == ["subscribed", *["tick"] * 10, "down"]

    async def test_a_stream_that_ends_is_opened_again_after_a_pause(self, store: Store) -> None:
        pace = Pace(ping_s=5, first_pause_s=0.04, longest_pause_s=0.16)
        assert await kinds(store.signals(answer(), pace=pace), 10) == ["subscribed", "down"] * 5
        pauses = [later - earlier for earlier, later in pairwise(store.times)]
        assert all(pause >= least for pause, least in zip(pauses, (0.02, 0.04, 0.08, 0.08), strict=True))

    async def test_a_tick_starts_the_pauses_anew(self, store: Store) -> None:
        pace = Pace(ping_s=5, first_pause_s=0.01, longest_pause_s=60)
        script = [*[status(500)] * 3, *[answer(PING)] * 4]
        taken = await kinds(store.signals(*script, pace=pace), 3 + 3 * 4)
        assert taken == ["down"] * 3 + ["subscribed", "tick", "down"] * 4
        assert store.times[-1] - store.times[3] < 1

    @pytest.mark.parametrize(
        ("visit", "sentence"),
        [
            (status(401), "the store refused the credentials"),
            (status(403), "the store refused the credentials, or their policy lacks s3:ListenBucket"),
            (status(404), "there is no bucket team-a-bucket (yet)"),
            (status(500), "the store answered 500"),
            (answer(b"<ListBucketResult/>", content_type="application/xml"), "the store has no listen API"),
            (answer(), "the stream ended"),
            (answer(b"<html>\n"), "The notification stream sent something else than records"),
        ],
    )
    async def test_each_trouble_is_said_once_in_a_sentence(
        self, store: Store, caplog: pytest.LogCaptureFixture, visit: Visit, sentence: str
    ) -> None:
        taken = [kind for kind in await kinds(store.signals(visit), 9) if kind == "down"]
        assert len(taken) >= 3
        [message] = said(caplog)
        assert message.startswith(f"Notifications of bucket team-a-bucket: {sentence}")
        assert SECRET not in caplog.text

    async def test_another_trouble_is_said_too(self, store: Store, caplog: pytest.LogCaptureFixture) -> None:
        await take(store.signals(status(404), status(404), status(403)), 4)
        assert [("no bucket" in message, "refused" in message) for message in said(caplog)] == [
            (True, False),
            (False, True),
        ]

    async def test_the_same_trouble_after_a_recovery_is_said_again(
        self, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        working = answer(PING)
        signals = store.signals(status(404), status(404), working, status(404))
        assert await kinds(signals, 7) == ["down", "down", "subscribed", "tick", "down", "down", "down"]
        assert ["no bucket" in message for message in said(caplog)] == [True, False, True]

    async def test_no_store_at_all(self, caplog: pytest.LogCaptureFixture) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}"
            assert await kinds(follow(Store(url).access, "b", FAST), 3) == ["down"] * 3
        assert len(said(caplog)) == 1

    async def test_a_connection_that_cannot_be_read_is_down_too(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        from iris_core.errors import ConfigError

        async def broken() -> StoreAccess:
            raise ConfigError("Connection minio_default needs login.")

        assert await kinds(follow(broken, "b", FAST), 2) == ["down"] * 2
        assert "minio_default needs login" in said(caplog)[0]


class TestCredentials:
    async def test_asked_anew_for_each_attempt(self, store: Store) -> None:
        keys = iter(["first", "second", "third"])

        async def access() -> StoreAccess:
            return StoreAccess(store.url, next(keys), SECRET)

        store.script = [status(403), status(403), answer(PING)]
        assert await kinds(follow(access, "b", FAST), 4) == ["down", "down", "subscribed", "tick"]
        presented = [request.headers["Authorization"] for request in store.requests]
        for header, key in zip(presented, ("first", "second", "third"), strict=True):
            assert f"Credential={key}/" in header

    async def test_the_request_is_signed_as_the_store_will_check_it(self, store: Store) -> None:
        await take(store.signals(answer(PING)), 1)
        [request] = store.requests
        assert request.headers["Authorization"].rpartition("Signature=")[2] == signature(request, SECRET)
        assert request.query.getall("events") == list(EVENTS)
        assert request.query["ping"] == "5"
        assert request.headers["Accept-Encoding"] == "identity"


def signature(request: web.Request, secret: str) -> str:
    """AWS Signature Version 4 of a bodyless request, from the specification: IAM user guide, "Create a
    signed AWS API request", with the query sorted by name and then by value."""
    authorization = request.headers["Authorization"]
    parts = dict(part.strip().split("=", 1) for part in authorization.split(" ", 1)[1].split(","))
    _, day, region, service, _ = parts["Credential"].split("/")
    path, _, query = request.raw_path.partition("?")
    signed = parts["SignedHeaders"].split(";")
    assert {"host", "x-amz-date"} <= set(signed)
    canonical = "\n".join(
        [
            request.method,
            unquote(path),
            "&".join(sorted(query.split("&"))),
            *(f"{name}:{request.headers[name].strip()}" for name in signed),
            "",
            parts["SignedHeaders"],
            hashlib.sha256(b"").hexdigest(),
        ]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


class TestPace:
    @given(st.floats(0.001, 60), st.floats(1, 100), st.integers(0, 2000))
    def test_a_pause_is_within_bounds(self, first: float, factor: float, failures: int) -> None:
        pace = Pace(first_pause_s=first, longest_pause_s=first * factor)
        ceiling = min(pace.longest_pause_s, first * 2.0 ** min(failures, 500))
        assert ceiling / 2 * 0.999 <= pace.pause(failures) <= ceiling * 1.001

    def test_two_clients_do_not_pause_in_step(self) -> None:
        assert len({Pace().pause(3) for _ in range(50)}) > 40


async def test_a_real_store_sends_what_lands(workspace: Workspace, store_access: StoreAccess) -> None:
    """Against a real MinIO (IRIS_TEST_STORE) this proves the signature as well."""
    bucket = workspace.settings.bucket

    async def access() -> StoreAccess:
        return store_access

    async with asyncio.timeout(20), aclosing(follow(access, bucket, Pace(ping_s=1))) as signals:
        assert (await anext(signals)).kind == "subscribed"
        await asyncio.to_thread(ObjectStore(store_access).put, bucket, "iris/ü b+c%d.csv", b"1", "text/csv")
        async for signal in signals:
            if signal.kind == "landed":
                break
        head = await asyncio.to_thread(workspace.store.head, bucket, "iris/ü b+c%d.csv")
        assert signal.object is not None
        assert signal.object.digest == head.digest
        assert (signal.object.key, signal.object.etag, signal.object.size) == (head.key, head.etag, 1)
