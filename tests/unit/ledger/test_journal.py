"""The journal of a day, newest first: every name once, and only as much listed as is consumed."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from iris_core.ledger import Ledger
from iris_core.ledger.journal import newest_first, stamp
from iris_core.ledger.records.training import TrainedRecord
from tests.memory import MemoryStore
from tests.records import like

PAGE = 1000


class Day:
    """Names as a store lists them; counts the pages."""

    def __init__(self, names: list[str]) -> None:
        self.names = sorted(names)
        self.pages = 0

    def listed_from(self, start: str) -> Iterator[str]:
        first = bisect_right(self.names, start)
        self.pages += 1
        for place in range(first, len(self.names)):
            self.pages += place > first and (place - first) % PAGE == 0
            yield self.names[place]


NOW = datetime.now(UTC)


def name_at(moment: datetime, number: int = 0) -> str:
    return f"{stamp(moment)}~scored~{number:06}"


SPREADS = {
    "few": (10, 300 * 86_400, 0),
    "a full page": (PAGE, 3 * 86_400, 0),
    "years": (5_000, 1_500 * 86_400, 0),
    "decades": (3_000, 20_000 * 86_400, 0),
    "a day": (5_000, 86_400, 0),
    "a burst a minute ago": (5_000, 61, 60),
    "a burst a year ago": (5_000, 365 * 86_400, 365 * 86_400 - 1),
    "from clocks ahead": (3_000, 600, -7_200),
}


def drawn(spread: str, count: int | None = None) -> Day:
    usual, oldest, newest = SPREADS[spread]
    chance = random.Random(spread)
    ages = (chance.uniform(newest, oldest) for _ in range(count or usual))
    return Day([name_at(NOW - timedelta(seconds=age), number) for number, age in enumerate(ages)])


@pytest.mark.parametrize("spread", SPREADS)
def test_every_name_once_newest_first(spread: str) -> None:
    day = drawn(spread)

    assert list(newest_first(day.listed_from)) == day.names[::-1]


def test_of_one_moment() -> None:
    day = Day([name_at(NOW - timedelta(hours=5), number) for number in range(3 * PAGE)])

    assert list(newest_first(day.listed_from)) == day.names[::-1]


def test_of_an_empty_journal() -> None:
    assert list(newest_first(Day([]).listed_from)) == []


@pytest.mark.parametrize("spread", SPREADS)
def test_only_entries_between_two_times(spread: str) -> None:
    day = drawn(spread)
    since, before = (datetime.fromisoformat(day.names[len(day.names) * n // 10][:24]) for n in (2, 7))
    since, before = since.replace(tzinfo=UTC), before.replace(tzinfo=UTC)

    wanted = [name for name in day.names[::-1] if stamp(since) <= name < stamp(before)]
    assert wanted
    assert list(newest_first(day.listed_from, since, before)) == wanted
    assert list(newest_first(day.listed_from, since)) == [n for n in day.names[::-1] if n >= stamp(since)]


@pytest.mark.parametrize("spread", sorted(SPREADS.keys() - {"from clocks ahead"}))
def test_of_a_long_past_as_much_is_listed_as_is_read(spread: str) -> None:
    day = drawn(spread, 30_000)

    newest = list(islice(newest_first(day.listed_from), 100))

    assert newest == day.names[::-1][:100]
    assert day.pages <= 40


def test_the_newest_of_a_past_with_many_quiet_days_take_few_listings() -> None:
    day = Day([name_at(NOW - timedelta(days=number)) for number in range(5_000)])

    assert len(list(islice(newest_first(day.listed_from), 2_000))) == 2_000
    assert day.pages <= 20


@pytest.mark.parametrize(
    "name", ["", "x", "2026-11-01/", "2026-11-01/.DS_Store", "2026-11-01/120000.000000~x"]
)
def test_what_else_lies_there_is_no_entry(name: str) -> None:
    store = MemoryStore()
    ledger, record = Ledger(store, "a-bucket", "dev"), like(TrainedRecord)
    ledger.commit(record)
    store.keep(f"ledger/dev/journal/training/{name}", b"")
    assert list(ledger.recent("training")) == [record]
    assert len(list(ledger.decided_since("training", None))) == 1
