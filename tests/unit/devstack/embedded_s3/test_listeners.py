"""Filters and queues of listeners."""

from __future__ import annotations

import asyncio

import pytest

from devstack.embedded_s3.calls import parse_call
from devstack.embedded_s3.events import Event
from devstack.embedded_s3.listeners import KEEP_ALIVE, PING_LINE, Broker, Listener, Wanted, wanted

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
def test_what_a_listener_gets(events: tuple[str, ...], prefix: str, suffix: str, matches: bool) -> None:
    event = Event(PUT, "team", "iris/a.csv", 1)
    assert Wanted("team", events, prefix, suffix).matches(event) is matches
    assert not Wanted("other", events, prefix, suffix).matches(event)


def test_a_request_is_read() -> None:
    asked = wanted(
        parse_call("GET", f"/team?events={PUT}&events=s3:ObjectRemoved:*&prefix=a&suffix=b&ping=3")
    )
    assert asked == Wanted("team", (PUT, "s3:ObjectRemoved:*"), "a", "b", PING_LINE, 3.0)
    assert wanted(parse_call("GET", f"/team?events={PUT}")) == Wanted("team", (PUT,), idle=KEEP_ALIVE)
    assert wanted(parse_call("GET", "/team?events=s3:Nonsense")) == "InvalidArgument"
    assert wanted(parse_call("GET", f"/team?events={PUT}&ping=0")) == "InvalidQueryParameterValue"


async def read(listener: Listener) -> list[bytes]:
    """What it says until it is closed."""
    return [line async for line in listener.lines()]


async def test_each_listener_gets_its_lines_in_order_after_an_idle_line() -> None:
    broker, nothing = Broker(), lambda: None
    all_of_it, csv_only = (Listener(Wanted("b", (PUT,), suffix=s), nothing) for s in ("", ".csv"))
    broker.listeners += [all_of_it, csv_only]
    made = []

    def line(key: str) -> bytes:
        made.append(key)
        return key.encode()

    for key in ("1.csv", "2.txt", "3.csv"):
        broker.publish(Event(PUT, "b", key, 1), lambda key=key: line(key))  # type: ignore[misc]
    broker.publish(Event(PUT, "other", "4.csv", 1), lambda: line("4.csv"))
    assert made == ["1.csv", "2.txt", "3.csv"]
    for listener in (all_of_it, csv_only):
        asyncio.get_running_loop().call_later(0.05, listener.close)
    assert await read(all_of_it) == [KEEP_ALIVE, b"1.csv2.txt3.csv"]
    assert await read(csv_only) == [KEEP_ALIVE, b"1.csv3.csv"]


async def test_an_idle_stream_says_so() -> None:
    listener = Listener(Wanted("b", (PUT,), idle=b".", idle_s=0.02), lambda: None)
    asyncio.get_running_loop().call_later(0.2, listener.close)
    said = await read(listener)
    assert set(said) == {b"."}
    assert len(said) > 2


async def test_a_full_queue_ends_the_listener() -> None:
    ended: list[bool] = []
    listener = Listener(Wanted("b", (PUT,)), lambda: ended.append(True), limit=2)
    for number in range(3):
        assert not listener.closed
        listener.offer(b"%d" % number)
    assert listener.closed
    assert ended == [True]
