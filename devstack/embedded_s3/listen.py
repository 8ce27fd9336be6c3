"""The listen API: one HTTP response that carries events for as long as the client stays."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

from devstack.embedded_s3.answers import Answer, error
from devstack.embedded_s3.broker import EVENT_NAMES, Broker, EventFilter, Subscription
from devstack.embedded_s3.calls import Call

PING_LINE = b'{"Records":null}\n'
# MinIO's: a client without `ping` gets a space every half second, which JSON readers skip.
KEEP_ALIVE = b" "
KEEP_ALIVE_SECONDS = 0.5
_LOOK_SECONDS = 0.25


def listen_answer(call: Call, broker: Broker, connection: socket.socket | None) -> Answer:
    """The stream for `GET /{bucket}?events=…&prefix=…&suffix=…&ping=N`, subscribed before it is returned.

    The headers and a first idle line leave at once. Every idle `ping` seconds a line `{"Records":null}`
    follows; without `ping` a space. A client that is gone is noticed within a quarter of a second.
    """
    ping = call.first("ping")
    if not set(call.query["events"]) <= EVENT_NAMES:
        return error("InvalidArgument", f"/{call.bucket}")
    if ping and not (ping.isdecimal() and int(ping) >= 1):
        return error("InvalidQueryParameterValue", f"/{call.bucket}")
    subscription = broker.subscribe(_wanted(call), lambda: _hang_up(connection))
    idle, interval = (PING_LINE, float(ping)) if ping else (KEEP_ALIVE, KEEP_ALIVE_SECONDS)
    lines = _lines(subscription, idle, interval, lambda: _is_gone(connection))
    headers = [("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache")]
    return Answer("200 OK", headers, EventStream(lines, lambda: broker.unsubscribe(subscription)))


class EventStream:
    """An iterable body that frees its subscription when the server closes it, even if never started."""

    def __init__(self, lines: Iterator[bytes], free: Callable[[], None]) -> None:
        self._lines = lines
        self.close = free

    def __iter__(self) -> Iterator[bytes]:
        return self._lines


def _wanted(call: Call) -> EventFilter:
    return EventFilter(
        bucket=call.bucket,
        events=tuple(call.query["events"]),
        prefix=call.first("prefix") or "",
        suffix=call.first("suffix") or "",
    )


def _lines(
    subscription: Subscription, idle: bytes, interval: float, is_gone: Callable[[], bool]
) -> Iterator[bytes]:
    yield idle
    due = time.monotonic() + interval
    while not is_gone():
        lines = subscription.take(min(_LOOK_SECONDS, max(0.0, due - time.monotonic())))
        if subscription.closed and not lines:
            return
        if lines or time.monotonic() >= due:
            yield lines or idle
            due = time.monotonic() + interval


def _is_gone(connection: socket.socket | None) -> bool:
    if connection is None:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _hang_up(connection: socket.socket | None) -> None:
    """End a send that a client who does not read has blocked."""
    if connection is not None:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
