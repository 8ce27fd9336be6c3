"""Who listens to what. Lives in the server's event loop; not for other threads.

Publishing never waits: a listener that lets its queue (`QUEUE_LIMIT` lines) fill up is disconnected, so that
it knows it lost events and lists the bucket when it returns. (MinIO drops events silently there; an open
stream that lacks events would be the worse lie.)
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
# MinIO's: a client without `ping` gets a space every half second, which JSON readers skip.
KEEP_ALIVE = b" "
KEEP_ALIVE_S = 0.5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a listener asked for; no wildcards in prefix and suffix. An idle stream says `idle`."""

    bucket: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""
    idle: bytes = KEEP_ALIVE
    idle_s: float = KEEP_ALIVE_S

    def matches(self, event: Event) -> bool:
        """Prefix and suffix must not share characters: MinIO matches the pattern `prefix*suffix`."""
        kind = event.name.rpartition(":")[0]
        return (
            event.bucket == self.bucket
            and not {event.name, f"{kind}:*"}.isdisjoint(self.events)
            and len(event.key) >= len(self.prefix) + len(self.suffix)
            and event.key.startswith(self.prefix)
            and event.key.endswith(self.suffix)
        )


def wanted(call: Call) -> Wanted | str:
    """What a listen request asks for, or the error code that answers it."""
    ping, names = call.first("ping"), call.query["events"]
    if not set(names) <= EVENT_NAMES:
        return "InvalidArgument"
    if ping and not (ping.isdecimal() and int(ping) >= 1):
        return "InvalidQueryParameterValue"
    idle, idle_s = (PING_LINE, float(ping)) if ping else (KEEP_ALIVE, KEEP_ALIVE_S)
    prefix, suffix = call.first("prefix") or "", call.first("suffix") or ""
    return Wanted(call.bucket, tuple(names), prefix, suffix, idle, idle_s)


class Listener:
    """One listener's queue; `hang_up` is called when it overflows, and must end a send that is blocked."""

    def __init__(self, asked: Wanted, hang_up: Callable[[], None], limit: int = QUEUE_LIMIT) -> None:
        self.asked = asked
        self.closed = False
        self._hang_up = hang_up
        self._limit = limit
        self._lines: deque[bytes] = deque()
        self._changed = asyncio.Event()

    def offer(self, line: bytes) -> None:
        """Queue a line; ends the listener when the queue is full."""
        if len(self._lines) < self._limit:
            self._lines.append(line)
            self._changed.set()
        else:
            self.close()
            self._hang_up()

    def close(self) -> None:
        """Let `lines` end."""
        self.closed = True
        self._changed.set()

    async def lines(self) -> AsyncIterator[bytes]:
        """An idle line at once, then what was queued, joined; an idle line after each idle while."""
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
    """Hands each event to the listeners that want it."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []

    def publish(self, event: Event, line: Callable[[], bytes]) -> None:
        """Queue an event's line; it is made when somebody wants it."""
        wanting = [listener for listener in self.listeners if listener.asked.matches(event)]
        made = line() if wanting else b""
        for listener in wanting:
            listener.offer(made)
