"""Who listens to what: subscriptions with filters, and the sequencer that orders versions.

Each subscription has its own bounded queue (`QUEUE_LIMIT` lines). Publishing never waits: a listener that
lets its queue fill up is disconnected, so that it knows it lost events and lists the bucket when it returns.
(MinIO drops events silently there; an open stream that lacks events would be the worse lie.)
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

QUEUE_LIMIT = 20_000

EVENT_NAMES = frozenset(
    [f"s3:ObjectAccessed:{n}" for n in ("*", "Get", "GetRetention", "GetLegalHold", "Head", "Attributes")]
    + [f"s3:ObjectCreated:{n}" for n in ("*", "Put", "Post", "Copy", "CompleteMultipartUpload")]
    + [f"s3:ObjectCreated:{n}" for n in ("PutTagging", "DeleteTagging", "PutRetention", "PutLegalHold")]
    + [f"s3:ObjectRemoved:{n}" for n in ("*", "Delete", "DeleteMarkerCreated", "NoOP", "DeleteAllVersions")]
    + ["s3:BucketCreated:*", "s3:BucketRemoved:*", "s3:ObjectRestore:*", "s3:ObjectRestore:Post"]
    + ["s3:ObjectRestore:Completed", "s3:Replication:*", "s3:ObjectTransition:*", "s3:Scanner:ManyVersions"]
    + ["s3:Scanner:LargeVersions", "s3:Scanner:BigPrefix"]
)
"""Names a listener may ask for. Only ObjectAccessed, ObjectCreated and ObjectRemoved are ever sent."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What one listener wants. `events` are names of `EVENT_NAMES`; no wildcards in prefix and suffix."""

    bucket: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""

    def matches(self, event_name: str, bucket: str, key: str) -> bool:
        """Prefix and suffix must not share characters: MinIO matches the pattern `prefix*suffix`."""
        return (
            bucket == self.bucket
            and len(key) >= len(self.prefix) + len(self.suffix)
            and key.startswith(self.prefix)
            and key.endswith(self.suffix)
            and any(_name_matches(wanted, event_name) for wanted in self.events)
        )


def _name_matches(wanted: str, event_name: str) -> bool:
    return wanted == event_name or (wanted.endswith(":*") and event_name.startswith(wanted[:-1]))


class Subscription:
    """One listener's queue. Freed by `close`, by the broker's `close`, or by overflowing."""

    def __init__(self, wanted: EventFilter, hang_up: Callable[[], None], limit: int = QUEUE_LIMIT) -> None:
        self.wanted = wanted
        self.closed = False
        self._hang_up = hang_up
        self._limit = limit
        self._lines: deque[bytes] = deque()
        self._changed = threading.Condition()

    def offer(self, line: bytes) -> None:
        """Queue a line; closes the subscription when the queue is full."""
        with self._changed:
            full = len(self._lines) >= self._limit
            if not full:
                self._lines.append(line)
                self._changed.notify()
        if full:
            self.close()

    def take(self, timeout: float) -> bytes:
        """Everything queued, joined; b"" after `timeout` seconds without a line, or at once when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self.closed, timeout)
            lines = b"".join(self._lines)
            self._lines.clear()
            return lines

    def close(self) -> None:
        with self._changed:
            first = not self.closed
            self.closed = True
            self._changed.notify()
        if first:
            self._hang_up()


class Broker:
    """Hands each published line to the subscriptions that want it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: tuple[Subscription, ...] = ()

    def subscribe(self, wanted: EventFilter, hang_up: Callable[[], None] = lambda: None) -> Subscription:
        """`hang_up` is called once, when the subscription ends; it must end a send that is blocked."""
        subscription = Subscription(wanted, hang_up)
        with self._lock:
            self._subscriptions += (subscription,)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)
        subscription.close()

    def wants(self, event_name: str, bucket: str, key: str) -> bool:
        return any(s.wanted.matches(event_name, bucket, key) for s in self._subscriptions)

    def publish(self, event_name: str, bucket: str, key: str, line: bytes) -> None:
        for subscription in self._subscriptions:
            if subscription.wanted.matches(event_name, bucket, key):
                subscription.offer(line)
                if subscription.closed:
                    self.unsubscribe(subscription)

    def __len__(self) -> int:
        return len(self._subscriptions)

    def close(self) -> None:
        for subscription in self._subscriptions:
            self.unsubscribe(subscription)


class Sequencer:
    """Strictly increasing nanosecond numbers; `last` is the highest one ever handed out."""

    def __init__(self, last: int = 0) -> None:
        self.last = last
        self._lock = threading.Lock()

    def next(self) -> int:
        with self._lock:
            self.last = max(self.last + 1, time.time_ns())
            return self.last
