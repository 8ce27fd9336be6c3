"""The HTTP server: an aiohttp loop reads requests and writes answers; a separate thread calls the store."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from aiohttp import web
from filelock import FileLock, Timeout

from devstack.embedded_s3.calls import Answer, Call, error_answer, parse_call, refusal
from devstack.embedded_s3.catalog import Catalog
from devstack.embedded_s3.disk import Disk
from devstack.embedded_s3.events import event_line
from devstack.embedded_s3.listeners import Broker, Listener, wanted
from devstack.embedded_s3.store import Store
from iris_core.errors import ConfigError, StackError

log = logging.getLogger(__name__)

_HEALTH = frozenset({"/minio/health/live", "/minio/health/ready"})
_PIECE = 1 << 20


class Server:
    """Serves the store of a data directory on a listening socket.

    :param data: the directory; created if missing.
    :param listener: the socket.
    :param access_key: the accepted access key, or several, separated by commas.
    :raises ConfigError: there is no access key.
    :raises StackError: the directory is in use, or cannot be read.
    """

    def __init__(self, data: Path, listener: socket.socket, access_key: str) -> None:
        if not access_key:
            raise ConfigError("No access key: set AWS_ACCESS_KEY_ID or give --access-key, e.g. iris.")
        data.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(data / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise StackError(f"{data} is in use by another store; stop it, or use another --data.") from error
        self.endpoint_url = "http://{}:{}".format(*listener.getsockname()[:2])
        self._listener = listener
        self._store = Store(Catalog(Disk(data)))
        self._access_keys = frozenset(access_key.split(","))
        self._broker = Broker()
        self._in_turn = ThreadPoolExecutor(1, "embedded-s3")

    def serve(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        stopped, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,  # an object's bytes are stored as they arrive
            handler_cancellation=True,  # ends a listener's handler when its client leaves
            shutdown_timeout=0.1,
        )
        await runner.setup()
        await web.SockSite(runner, self._listener).start()
        await stopped.wait()
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path in _HEALTH:
            return web.Response()
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = parse_call(request.method, request.raw_path, headers)
        if code := refusal(call, self._access_keys):
            return await _send(request, error_answer(code, call))
        if call.is_listen:
            return await self._listen(request, call)
        # If the client leaves, the call is finished nevertheless, so that its events are published.
        answering = self._asked(call, request.raw_path, await request.read(), request.remote or "")
        return await _send(request, await asyncio.shield(answering))

    async def _asked(self, call: Call, raw_uri: str, body: bytes, source_ip: str) -> Answer:
        """The store's answer; before it returns, the call's events are in every listener's queue.

        Part uploads may run in parallel: parts are stored beside the key until the upload is completed.
        """
        turn = None if call.is_part_upload else self._in_turn
        asked = asyncio.get_running_loop().run_in_executor(turn, self._store.answer, call, raw_uri, body)
        try:
            answer, events = await asked
        except Exception:
            # At the edge of the server every failure is logged and answered.
            log.exception("%s %s failed", call.method, raw_uri)
            return error_answer("InternalError", call)
        for event in events:
            self._broker.publish(event, partial(event_line, event, call, source_ip, self.endpoint_url))
        return answer

    async def _listen(self, request: web.Request, call: Call) -> web.StreamResponse:
        """Stream the events of `GET /{bucket}?events=…`; subscribes before the headers are sent."""
        asked = wanted(call) if self._store.has(call.bucket) else "NoSuchBucket"
        if isinstance(asked, str):
            return await _send(request, error_answer(asked, call))
        assert request.transport is not None
        listener = Listener(asked, request.transport.abort)
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        response = web.StreamResponse(headers=headers)
        self._broker.listeners.append(listener)
        try:
            await response.prepare(request)
            async for line in listener.lines():
                await response.write(line)
        finally:
            self._broker.listeners.remove(listener)
        return response


async def _send(request: web.Request, answer: Answer) -> web.StreamResponse:
    status, headers, body = answer
    if len(body) <= _PIECE:
        return web.Response(status=status, headers=headers, body=bytes(body))
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(request)
    for start in range(0, len(body), _PIECE):
        await response.write(body[start : start + _PIECE])
    return response
