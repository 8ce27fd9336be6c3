"""Filters, queues and the sequencer."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from devstack.embedded_s3.broker import Broker, EventFilter, Sequencer, Subscription

pytestmark = pytest.mark.unit

PUT = "s3:ObjectCreated:Put"


@pytest.mark.parametrize(
    ("events", "prefix", "suffix", "matches"),
    [
        (("s3:ObjectCreated:*",), "", "", True),
        (("s3:ObjectCreated:Put",), "iris/", ".csv", True),
        (("s3:ObjectRemoved:*", "s3:ObjectCreated:*"), "iris/a.csv", "", True),
        (("s3:ObjectRemoved:*",), "", "", False),
        (("s3:ObjectCreated:Copy",), "", "", False),
        (("s3:ObjectCreated:*",), "other/", "", False),
        (("s3:ObjectCreated:*",), "", ".txt", False),
        (("s3:ObjectCreated:*",), "iris/a.csv", ".csv", False),
    ],
)
def test_filter(events: tuple[str, ...], prefix: str, suffix: str, matches: bool) -> None:
    assert EventFilter("team", events, prefix, suffix).matches(PUT, "team", "iris/a.csv") is matches
    assert not EventFilter("other", events, prefix, suffix).matches(PUT, "team", "iris/a.csv")


def test_every_listener_gets_its_lines_in_order() -> None:
    broker = Broker()
    all_of_it, csv_only = (broker.subscribe(EventFilter("b", (PUT,), suffix=s)) for s in ("", ".csv"))
    for key in ("1.csv", "2.txt", "3.csv"):
        broker.publish(PUT, "b", key, key.encode() + b"\n")
    assert all_of_it.take(0) == b"1.csv\n2.txt\n3.csv\n"
    assert csv_only.take(0) == b"1.csv\n3.csv\n"
    assert csv_only.take(0) == b""


def test_full_queue_ends_the_subscription_only() -> None:
    ended = threading.Event()
    subscription = Subscription(EventFilter("b", (PUT,)), ended.set, limit=2)
    for number in range(3):
        assert not subscription.closed
        subscription.offer(b"%d" % number)
    assert subscription.closed
    assert ended.is_set()
    assert subscription.take(5) == b"01"


def test_unsubscribe_and_close_free_and_wake() -> None:
    broker, ended = Broker(), []
    first = broker.subscribe(EventFilter("b", (PUT,)), lambda: ended.append(1))
    broker.subscribe(EventFilter("b", (PUT,)), lambda: ended.append(2))
    broker.unsubscribe(first)
    assert (len(broker), ended) == (1, [1])
    broker.close()
    assert (len(broker), ended) == (0, [1, 2])
    started = time.monotonic()
    assert first.take(5) == b""
    assert time.monotonic() - started < 1


def test_sequencer_only_rises() -> None:
    ahead = time.time_ns() + 10**12
    sequencer = Sequencer(ahead)
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda _: sequencer.next(), range(400)))
    assert min(numbers) == ahead + 1
    assert len(set(numbers)) == 400
    assert sequencer.last == max(numbers)
    assert Sequencer().next() >= ahead - 10**12
