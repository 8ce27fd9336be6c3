"""Listeners and their queues. Used only in the server's event loop, never in other threads.

Publishing never waits: a listener whose queue (`QUEUE_LIMIT` lines) is full is disconnected. So it knows that
it has lost events, and lists the bucket when it returns. (MinIO silently drops events instead; an open stream
that lacks events is worse.)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from devstack.embedded_s3.calls import Call
from devstack.embedded_s3.events import EVENT_NAMES, Event

QUEUE_LIMIT = 20_000

PING_LINE = b'{"Records":null}\n'
# As in MinIO, a client without `ping` gets a space every half second, which JSON readers skip.
KEEP_ALIVE = b" "
KEEP_ALIVE_S = 0.5


@dataclass(frozen=True, slots=True)
class Wanted:
    """A listener's request, without wildcards. An idle stream sends `idle` every `idle_s` seconds."""

    bucket: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""
    idle: bytes = KEEP_ALIVE
    idle_s: float = KEEP_ALIVE_S

    def matches(self, event: Event) -> bool:
        """Whether the listener wants an event. MinIO matches `prefix*suffix`, so the two must not overlap."""
        kind = event.name.rpartition(":")[0]
        return (
            event.bucket == self.bucket
            and not {event.name, f"{kind}:*"}.isdisjoint(self.events)
            and len(event.key) >= len(self.prefix) + len(self.suffix)
            and event.key.startswith(self.prefix)
            and event.key.endswith(self.suffix)
        )


def wanted(call: Call) -> Wanted | str:
    """Parse a listen request; return the error code if it is invalid."""
    ping, names = call.first("ping"), call.query["events"]
    if not set(names) <= EVENT_NAMES:
        return "InvalidArgument"
    if ping and not (ping.isdecimal() and int(ping) >= 1):
        return "InvalidQueryParameterValue"
    idle, idle_s = (PING_LINE, float(ping)) if ping else (KEEP_ALIVE, KEEP_ALIVE_S)
    prefix, suffix = call.first("prefix") or "", call.first("suffix") or ""
    return Wanted(call.bucket, tuple(names), prefix, suffix, idle, idle_s)


class Listener:
    """One listener's queue. If it overflows, `hang_up` is called, which must end a blocked send."""

    def __init__(self, asked: Wanted, hang_up: Callable[[], None], limit: int = QUEUE_LIMIT) -> None:
        self.asked = asked
        self.closed = False
        self._hang_up = hang_up
        self._limit = limit
        self._lines: deque[bytes] = deque()
        self._changed = asyncio.Event()

    def offer(self, line: bytes) -> None:
        """Queue a line; if the queue is full, end the listener."""
        if len(self._lines) < self._limit:
            self._lines.append(line)
            self._changed.set()
        else:
            self.close()
            self._hang_up()

    def close(self) -> None:
        """Make `lines` end."""
        self.closed = True
        self._changed.set()

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield an idle line at once, then queued lines, joined, and an idle line after each idle time."""
        yield self.asked.idle
        while self._lines or not self.closed:
            try:
                async with asyncio.timeout(self.asked.idle_s):
                    await self._changed.wait()
            except TimeoutError:
                yield self.asked.idle
                continue
            self._changed.clear()
            lines = b"".join(self._lines)
            self._lines.clear()
            if lines:
                yield lines


class Broker:
    """Passes each event to the listeners that want it."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []

    def publish(self, event: Event, line: Callable[[], bytes]) -> None:
        """Queue an event's line for the listeners that want it; `line` is called only if there are any."""
        wanting = [listener for listener in self.listeners if listener.asked.matches(event)]
        made = line() if wanting else b""
        for listener in wanting:
            listener.offer(made)
