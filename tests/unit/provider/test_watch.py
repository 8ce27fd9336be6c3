"""Announcements: nothing lost between subscription and listing, nothing said too often."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from logging import LogRecord
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_airflow.triggers.watch import told
from iris_core.errors import StoreError
from iris_core.ledger.look import SHOWN
from iris_core.ledger.source import Source
from iris_core.store.objects import ObjectVersion
from iris_provider_minio.budget import SweepBudget, SweepPace
from iris_provider_minio.cursor import REMEMBERED, Cursor, Rhythm
from iris_provider_minio.errors import ProviderError
from iris_provider_minio.stream import Signal
from iris_provider_minio.watch import PAGE, Watch

pytestmark = pytest.mark.unit

SOURCE = Source("b", "iris/incoming/")
NEVER = 3600.0
SUBSCRIBED, DOWN, TICK = Signal("subscribed"), Signal("down"), Signal("tick")


def version(number: int, key: str = "") -> ObjectVersion:
    return ObjectVersion(
        bucket="b",
        key=key or f"iris/incoming/{number:05}.csv",
        version_id=f"v{number}",
        etag="e",
        size=1,
        landed_at=datetime.fromtimestamp(1_800_000_000 + number, UTC),
    )


def landed(number: int, key: str = "") -> Signal:
    return Signal("landed", version(number, key))


@dataclass
class World:
    """What is in the bucket and unaccounted, the signals, and what was announced."""

    objects: list[ObjectVersion] = field(default_factory=list)
    cursor: Cursor = field(default_factory=Cursor)
    signals: asyncio.Queue[Signal | BaseException | None] = field(default_factory=asyncio.Queue)
    listings: list[float] = field(default_factory=list)
    saved: list[dict[str, Any]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    listing: Callable[[], Iterable[ObjectVersion]] | None = None
    budget: SweepBudget = field(default_factory=SweepBudget)
    told: list[SweepPace] = field(default_factory=list)

    def unaccounted(self) -> Iterator[ObjectVersion]:
        self.listings.append(time.monotonic())
        if self.errors:
            raise self.errors.pop(0)
        yield from (self.listing() if self.listing else list(self.objects))

    async def save(self, cursor: Cursor) -> None:
        self.saved.append(cursor.dump())

    async def tell(self, pace: SweepPace) -> None:
        self.told.append(pace)

    async def stream(self) -> AsyncIterator[Signal]:
        while (signal := await self.signals.get()) is not None:
            if isinstance(signal, BaseException):
                raise signal
            yield signal

    def send(self, *signals: Signal) -> None:
        for signal in signals:
            self.signals.put_nowait(signal)

    @asynccontextmanager
    async def watched(self, **rhythm: float) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Announcements; sweeps come only when a test asks for them."""
        pace = Rhythm(**{"sweep_s": NEVER, "sweep_when_down_s": NEVER, "grace_s": NEVER, **rhythm})
        watch = Watch(
            SOURCE, self.unaccounted, self.cursor, self.save, told, pace, tell=self.tell, budget=self.budget
        )
        async with asyncio.timeout(20), aclosing(watch.announcements(self.stream())) as announcements:
            yield announcements

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not reached():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(announcements: AsyncIterator[dict[str, Any]]) -> AsyncIterator[list[dict[str, Any]]]:
    """The announcements so far, while they are consumed."""
    seen: list[dict[str, Any]] = []

    async def consume() -> None:
        async for announcement in announcements:
            seen.append(announcement)  # noqa: PERF401 - it never ends

    task = asyncio.create_task(consume())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def uris(announcements: Iterable[dict[str, Any]]) -> set[str]:
    return {uri for announcement in announcements for uri in announcement["newest"]}


class TestNothingIsLost:
    async def test_what_landed_before_the_subscription_is_listed(self) -> None:
        world = World(objects=[version(1)])
        world.send(SUBSCRIBED)
        async with world.watched() as announcements:
            assert await anext(announcements) == {
                "why": "listing",
                "objects": 1,
                "newest": [version(1).uri],
            }

    async def test_what_lands_later_is_announced_at_once(self) -> None:
        world = World()
        world.send(SUBSCRIBED, TICK, landed(1))
        async with world.watched() as announcements:
            assert await anext(announcements) == {
                "why": "notification",
                "objects": 1,
                "newest": [version(1).uri],
            }

    async def test_each_subscription_is_followed_by_a_listing(self) -> None:
        """Whatever was listed before: between two connections everything is possible."""
        world = World()
        async with world.watched() as announcements, running(announcements) as seen:
            await world.until(lambda: len(world.listings) == 1)
            for number in (1, 2, 3):
                world.objects = [version(number)]
                world.send(SUBSCRIBED)
                await world.until(lambda number=number: len(seen) == number)  # type: ignore[misc]
        assert uris(seen) == {version(number).uri for number in (1, 2, 3)}

    async def test_what_lands_behind_a_running_listing_is_announced(self) -> None:
        passed, go_on = threading.Event(), threading.Event()
        world = World()

        def listing() -> Iterator[ObjectVersion]:
            yield version(5)
            passed.set()
            assert go_on.wait(10)

        world.listing = listing
        world.send(SUBSCRIBED)
        async with world.watched() as announcements, running(announcements) as seen:
            await asyncio.to_thread(passed.wait, 10)
            world.send(landed(1))
            await asyncio.sleep(0.05)
            go_on.set()
            await world.until(lambda: len(uris(seen)) == 2)
        assert uris(seen) == {version(5).uri, version(1).uri}

    async def test_while_a_consumer_is_busy_signals_wait(self) -> None:
        world = World()
        world.send(SUBSCRIBED, landed(1))
        async with world.watched() as announcements:
            await anext(announcements)
            world.send(landed(2), landed(3))
            await asyncio.sleep(0.05)
            announcement = await anext(announcements)
            assert set(announcement["newest"]) == {version(2).uri, version(3).uri}

    async def test_more_than_a_page_are_all_announced(self) -> None:
        number = 2 * PAGE + 10
        world = World(objects=[version(n) for n in range(number)])
        async with world.watched(sweep_s=0.01) as announcements, running(announcements) as seen:
            await world.until(lambda: len(world.cursor.announced) == number)
        assert [announcement["objects"] for announcement in seen] == [PAGE, PAGE, 10]

    async def test_credentials_are_picked_up_before_each_listing(self) -> None:
        world, done = World(), []

        async def refresh() -> None:
            done.append(len(world.listings))

        watch = Watch(
            SOURCE, world.unaccounted, world.cursor, world.save, told, Rhythm(sweep_s=0.01), refresh
        )
        async with aclosing(watch.announcements(world.stream())) as announcements, running(announcements):
            await world.until(lambda: len(world.listings) == 3)
        assert done[:3] == [0, 1, 2]

    async def test_the_listing_does_not_block_the_loop(self) -> None:
        world = World()

        def slow() -> Iterator[ObjectVersion]:
            time.sleep(0.3)
            yield version(1)

        world.listing = slow
        async with world.watched() as announcements, running(announcements) as seen:
            begin, beats = time.monotonic(), 0
            while not seen and time.monotonic() - begin < 10:
                await asyncio.sleep(0.01)
                beats += 1
        assert beats >= 10

    async def test_a_long_listing_does_not_hold_up_a_notification(self) -> None:
        world, release = World(), threading.Event()

        def long() -> Iterator[ObjectVersion]:
            release.wait(10)
            yield from (version(1), version(2))

        world.listing = long
        async with world.watched() as announcements, running(announcements) as seen:
            await world.until(lambda: bool(world.listings))
            world.send(landed(1))
            await world.until(lambda: bool(seen))
            assert [announcement["why"] for announcement in seen] == ["notification"]
            release.set()
            await world.until(lambda: len(seen) == 2)
        assert seen[1] == {"why": "listing", "objects": 1, "newest": [version(2).uri], "others": []}

    async def test_an_end_in_the_midst_of_a_listing_is_clean(self) -> None:
        world, release = World(), threading.Event()

        def long() -> Iterator[ObjectVersion]:
            release.wait(10)
            yield version(1)

        world.listing = long
        async with world.watched() as announcements, running(announcements):
            await world.until(lambda: bool(world.listings))
        release.set()
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    @pytest.mark.parametrize("steps", range(10))
    async def test_an_end_that_comes_together_with_a_signal(self, steps: int) -> None:
        world = World()
        async with world.watched() as announcements:
            consumer = asyncio.ensure_future(anext(announcements))
            await world.until(lambda: bool(world.listings))
            await asyncio.sleep(0.05)
            world.send(Signal("subscribed"))
            for _ in range(steps):
                await asyncio.sleep(0)
            consumer.cancel()
            done, _ = await asyncio.wait([consumer], timeout=5)
            assert done == {consumer}
            assert consumer.cancelled()


class TestWhatIsNamed:
    """By an announcement without `others`, a run is told to look at everything."""

    async def test_the_first_announcement_of_a_watch_leaves_the_rest_to_a_look_at_everything(self) -> None:
        world = World()
        world.send(SUBSCRIBED, landed(1))
        async with world.watched() as announcements:
            assert "others" not in await anext(announcements)
            for number in (2, 3):
                world.send(landed(number))
                announcement = await anext(announcements)
                assert (announcement["newest"], announcement["others"]) == ([version(number).uri], [])

    async def test_later_ones_name_all_that_landed(self) -> None:
        world = World()
        world.send(SUBSCRIBED, landed(0))
        async with world.watched() as announcements:
            await anext(announcements)
            world.send(*(landed(n) for n in range(1, 101)))
            await asyncio.sleep(0.05)
            announcement = await anext(announcements)
        assert announcement["objects"] == 100
        named = [*announcement["others"], *announcement["newest"]]
        assert named == [version(n).uri for n in range(1, 101)]

    async def test_or_none_where_they_are_too_many(self) -> None:
        world = World()
        world.send(SUBSCRIBED, landed(0))
        async with world.watched() as announcements:
            await anext(announcements)
            world.send(*(landed(n) for n in range(1, 2001)))
            await asyncio.sleep(0.05)
            announcement = await anext(announcements)
        assert announcement["objects"] == 2000
        assert "others" not in announcement


class TestNothingIsSaidTooOften:
    async def test_a_burst_is_one_announcement(self) -> None:
        world = World()
        world.send(SUBSCRIBED, *(landed(n) for n in range(500)), *(landed(n) for n in range(500)))
        async with world.watched() as announcements, running(announcements) as seen:
            await world.until(lambda: bool(world.saved))
        assert seen == [
            {
                "why": "notification",
                "objects": 500,
                "newest": [version(n).uri for n in range(500 - SHOWN, 500)],
            }
        ]
        assert len(world.saved) == 1

    @pytest.mark.parametrize("key", ["iris/elsewhere.csv", "iris/incoming/", "iris/incoming/sub/"])
    async def test_other_objects_and_folder_markers_are_not_announced(self, key: str) -> None:
        world = World()
        world.send(SUBSCRIBED, landed(1, key), landed(2))
        async with world.watched() as announcements:
            assert (await anext(announcements))["newest"] == [version(2).uri]

    async def test_what_a_notification_announced_a_listing_leaves_alone(self) -> None:
        world = World()
        async with world.watched() as announcements, running(announcements) as seen:
            await world.until(lambda: len(world.listings) == 1)
            world.objects = [version(1)]
            world.send(landed(1))
            await world.until(lambda: bool(seen))
            for number in range(2, 5):
                world.send(SUBSCRIBED)
                await world.until(lambda number=number: len(world.listings) >= number)  # type: ignore[misc]
            await asyncio.sleep(0.05)
        assert sum(announcement["objects"] for announcement in seen) == 1

    async def test_what_stays_unaccounted_is_announced_ever_more_seldom(self) -> None:
        world = World(objects=[version(1)])
        times: list[float] = []
        async with world.watched(sweep_s=0.01, grace_s=0.1) as announcements:
            async for _ in announcements:
                times.append(time.monotonic())
                if len(times) == 4:
                    break
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert all(gap >= least for gap, least in zip(gaps, (0.09, 0.19, 0.39), strict=True))
        assert gaps[2] < 2

    async def test_what_no_listing_shows_any_more_takes_no_memory(self) -> None:
        world = World(objects=[version(1)])
        async with world.watched() as announcements, running(announcements):
            world.send(landed(2), landed(3))
            await world.until(lambda: len(world.cursor.announced) == 3)
            world.send(SUBSCRIBED)
            await world.until(lambda: set(world.cursor.announced) == {version(1).digest})

    async def test_a_restart_remembers(self) -> None:
        cursor = Cursor({version(1).digest: (1, time.time())})
        world = World(objects=[version(1), version(2)], cursor=Cursor.parse(cursor.dump()))
        world.send(SUBSCRIBED)
        async with world.watched() as announcements:
            assert (await anext(announcements))["newest"] == [version(2).uri]

    async def test_what_died_before_it_was_announced_is_not_remembered_as_announced(self) -> None:
        world = World()
        world.send(SUBSCRIBED, landed(1))
        async with world.watched() as announcements:
            await anext(announcements)
            assert world.saved == []

    async def test_what_was_announced_is_remembered(self) -> None:
        world = World()
        world.send(SUBSCRIBED, landed(1))
        async with world.watched() as announcements, running(announcements):
            await world.until(lambda: bool(world.saved))
            for number in (2, 3):
                world.send(SUBSCRIBED)
                await world.until(lambda number=number: len(world.listings) >= number)  # type: ignore[misc]
            assert [set(saved) for saved in world.saved] == [{version(1).digest}]


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[LogRecord]:
    return [record for record in caplog.records if record.levelname == "WARNING"]


class TestSweeps:
    async def test_often_while_the_stream_is_down_and_seldom_when_it_is_back(self) -> None:
        world = World()
        async with world.watched(sweep_when_down_s=0.02) as announcements, running(announcements):
            await world.until(lambda: len(world.listings) == 1)
            await asyncio.sleep(0.1)
            assert len(world.listings) == 1
            world.send(DOWN)
            await world.until(lambda: len(world.listings) >= 6)
            world.send(SUBSCRIBED)
            await asyncio.sleep(0.1)
            settled = len(world.listings)
            await asyncio.sleep(0.1)
            assert len(world.listings) == settled

    async def test_often_after_a_listing_that_failed(self) -> None:
        world = World(errors=[StoreError("s3://b/k: no answer."), StoreError("s3://b/k: no answer.")])
        async with world.watched(sweep_when_down_s=0.02) as announcements, running(announcements):
            await world.until(lambda: len(world.listings) == 3)
            await asyncio.sleep(0.1)
            assert len(world.listings) == 3

    async def test_a_stream_that_stays_down_does_not_hurry_the_sweeps(self) -> None:
        world = World()
        async with world.watched(sweep_when_down_s=0.5) as announcements, running(announcements):
            await world.until(lambda: len(world.listings) == 1)
            for _ in range(20):
                world.send(DOWN)
                await asyncio.sleep(0.005)
            assert len(world.listings) == 2

    async def test_found_by_a_sweep_while_down(self) -> None:
        world = World()
        world.send(DOWN)
        async with world.watched(sweep_when_down_s=0.02) as announcements, running(announcements) as seen:
            await world.until(lambda: len(world.listings) >= 2)
            world.objects = [version(1)]
            await world.until(lambda: bool(seen))
        assert seen[0]["why"] == "listing"

    async def test_a_store_error_is_said_once_and_tried_again(self, caplog: pytest.LogCaptureFixture) -> None:
        world = World(objects=[version(1)])
        world.errors = [StoreError("s3://b/k: no answer.") for _ in range(3)]
        async with world.watched(sweep_s=0.01) as announcements:
            assert (await anext(announcements))["newest"] == [version(1).uri]
        assert len(world.listings) == 4
        [record] = warnings_of(caplog)
        assert "s3://b/k: no answer." in record.getMessage()

    async def test_the_same_store_error_after_a_recovery_is_said_again(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        world = World()
        world.errors = [StoreError("gone.")]
        async with world.watched(sweep_s=0.01) as announcements, running(announcements):
            await world.until(lambda: len(world.listings) >= 3)
            world.errors = [StoreError("gone.")]
            count = len(world.listings)
            await world.until(lambda: len(world.listings) >= count + 2)
        assert len(warnings_of(caplog)) == 2


def slowly(seconds: float) -> Callable[[], list[ObjectVersion]]:
    """A listing that takes so long and finds nothing."""

    def listing() -> list[ObjectVersion]:
        time.sleep(seconds)
        return []

    return listing


class TestCostlySweeps:
    @pytest.mark.parametrize(
        "asked_by", ["the clock", "a stream that is down", "a stream that comes and goes"]
    )
    async def test_the_pause_follows_the_listing_whatever_asks_for_one(self, asked_by: str) -> None:
        world = World(listing=slowly(0.05), budget=SweepBudget(share=0.1))
        is_down = asked_by == "a stream that is down"
        rhythm = {"sweep_when_down_s": 0.01, "sweep_s": NEVER if is_down else 0.01}
        async with world.watched(**rhythm) as announcements, running(announcements):
            world.send(DOWN)
            while len(world.listings) < 3:
                if asked_by == "a stream that comes and goes":
                    world.send(SUBSCRIBED, DOWN)
                await asyncio.sleep(0.02)
        assert all(later - earlier >= 0.5 for earlier, later in pairwise(world.listings))

    async def test_so_it_does_where_listings_fail_late(self) -> None:
        def failing() -> Iterator[ObjectVersion]:
            until = time.thread_time() + 0.05
            while time.thread_time() < until:
                pass
            raise StoreError("gone.")
            yield

        world = World(listing=failing, budget=SweepBudget(share=0.1))
        async with world.watched(sweep_s=0.01) as announcements, running(announcements):
            await world.until(lambda: len(world.listings) == 3)
        assert all(later - earlier >= 0.5 for earlier, later in pairwise(world.listings))

    async def test_waiting_for_a_store_that_does_not_answer_costs_nothing(self) -> None:
        def hanging() -> Iterator[ObjectVersion]:
            time.sleep(0.2)
            raise StoreError("no answer.")
            yield

        world = World(listing=hanging, budget=SweepBudget(share=0.05))
        async with world.watched(sweep_s=0.01) as announcements, running(announcements):
            await world.until(lambda: len(world.listings) == 3)
        assert world.listings[-1] - world.listings[0] < 2

    async def test_what_lands_meanwhile_is_announced_at_once(self) -> None:
        world = World(listing=slowly(0.05), budget=SweepBudget(share=0.001))
        async with world.watched(sweep_s=0.01) as announcements, running(announcements) as seen:
            await world.until(lambda: bool(world.told))
            world.send(landed(1))
            await world.until(lambda: bool(seen))
        assert seen[0]["why"] == "notification"
        assert len(world.listings) == 1

    async def test_the_pause_is_told_once_until_it_changes_much(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        world = World(listing=slowly(0.02), budget=SweepBudget(share=0.5))
        with caplog.at_level("INFO"):
            async with world.watched(sweep_s=0.01) as announcements, running(announcements):
                await world.until(lambda: len(world.listings) == 5)
                world.listing = slowly(0.2)
                await world.until(lambda: len(world.told) >= 2)
        assert [pace.took_s for pace in world.told] == pytest.approx([0.02, 0.2], abs=0.02)
        first, second = (record.getMessage() for record in caplog.records)
        assert first.startswith("Listing s3://b/iris/incoming/ took 0.0 s. The next listing follows in 0 s")
        assert second.endswith("listings may take 50 % of the triggerer's time.")

    async def test_a_watch_that_ends_leaves_its_share_to_the_others(self) -> None:
        world = World(listing=slowly(0.05))
        async with world.watched() as announcements, running(announcements):
            await world.until(lambda: bool(world.told))
            assert len(world.budget._took) == 1
        await world.until(lambda: not world.budget._took)


class TestEnds:
    async def test_a_stream_that_ends_raises(self) -> None:
        world = World()
        world.signals.put_nowait(None)
        async with world.watched() as announcements:
            with pytest.raises(ProviderError, match="stream of notifications ended"):
                await anext(announcements)

    async def test_one_that_ends_while_nothing_happens_raises_at_once(self) -> None:
        world = World()
        async with world.watched() as announcements:
            ended = asyncio.ensure_future(anext(announcements))
            await world.until(lambda: bool(world.listings))
            await asyncio.sleep(0.1)
            world.signals.put_nowait(None)
            with pytest.raises(ProviderError, match="stream of notifications ended"):
                await ended

    async def test_a_stream_that_fails_raises_its_error(self) -> None:
        world = World()
        world.signals.put_nowait(ZeroDivisionError("in the stream"))
        async with world.watched() as announcements:
            with pytest.raises(ZeroDivisionError, match="in the stream"):
                await anext(announcements)

    async def test_closing_stops_reading_the_signals(self) -> None:
        world = World(objects=[version(1)])
        async with world.watched() as announcements:
            await anext(announcements)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert others == []


MOMENTS = st.floats(0, 4e9, allow_nan=False)
CURSORS = st.dictionaries(st.text(min_size=1), st.tuples(st.integers(1, 10**6), MOMENTS), max_size=20)


class TestCursor:
    @given(CURSORS)
    def test_dump_and_parse_round_trip_through_json(self, announced: dict[str, tuple[int, float]]) -> None:
        cursor = Cursor(announced)
        assert Cursor.parse(json.loads(json.dumps(cursor.dump()))) == cursor

    @pytest.mark.parametrize(
        "stored", [None, [], "text", 7, {"a": 1}, {"a": ["x", "y"]}, {"a": [1]}, {"a": [1, None]}]
    )
    def test_from_anything_else_it_is_empty(self, stored: object) -> None:
        assert Cursor.parse(stored) == Cursor()

    def test_only_the_newest_are_remembered(self) -> None:
        cursor = Cursor({f"d{n}": (1, float(n)) for n in range(REMEMBERED + 7)})
        assert set(cursor.dump()) == {f"d{n}" for n in range(7, REMEMBERED + 7)}

    def test_grace_doubles_up_to_its_limit(self) -> None:
        rhythm = Rhythm(grace_s=10, longest_grace_s=60)
        cursor, now = Cursor(), 0.0
        assert cursor.is_due("d", now, rhythm)
        for grace in (10, 20, 40, 60, 60):
            cursor.note("d", now)
            assert not cursor.is_due("d", now + grace - 0.1, rhythm)
            assert cursor.is_due("d", now + grace, rhythm)
            now += grace
        assert cursor.is_due("another", 0.0, rhythm)

    @given(st.integers(1, 10**9), MOMENTS)
    def test_however_often_it_was_announced(self, times: int, last: float) -> None:
        cursor = Cursor({"d": (times, last)})
        assert cursor.is_due("d", last + 4000, Rhythm())
        assert not cursor.is_due("d", last + 1, Rhythm())
