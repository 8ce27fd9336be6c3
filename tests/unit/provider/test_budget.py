"""Sweeps together keep their share of the process's time, and a large bucket does not hold up small ones."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_provider_minio.budget import SHARE, Stopwatch, SweepBudget, SweepPace

pytestmark = pytest.mark.unit


@given(st.lists(st.floats(1e-4, 1e4), min_size=1, max_size=20))
def test_all_together_keep_the_share(costs: list[float]) -> None:
    budget = SweepBudget()
    for watcher, cost in enumerate(costs):
        budget.note(watcher, cost)
    share = sum(cost / (cost + budget.pause(watcher)) for watcher, cost in enumerate(costs))
    assert share <= SHARE


def test_one_alone_pauses_for_nineteen_twentieths_of_the_time() -> None:
    budget = SweepBudget()
    assert budget.pause("a") == 0
    budget.note("a", 3.0)
    assert budget.pause("a") == pytest.approx(60.0)


def test_small_buckets_are_listed_often_beside_a_large_one() -> None:
    budget = SweepBudget()
    budget.note("large", 60.0)
    for small in range(11):
        budget.note(small, 0.05)
    assert budget.pause(0) < 60 < 1200 < budget.pause("large") < 1800


def test_a_watcher_that_ended_costs_the_others_nothing() -> None:
    budget = SweepBudget()
    budget.note("large", 60.0)
    budget.note("small", 0.05)
    budget.forget("large")
    budget.forget("never listed")
    assert budget.pause("small") == pytest.approx(1.0)


def test_a_store_that_stood_still_during_one_listing_does_not_put_off_the_next() -> None:
    budget = SweepBudget()
    for cost in (0.05, 8.0):
        budget.note("a", cost)
    assert budget.pause("a") == pytest.approx(1.0)
    budget.note("a", 8.0)
    assert budget.pause("a") == pytest.approx(160.0)


def test_waiting_is_no_work_of_the_processor() -> None:
    watch = Stopwatch()
    for _ in range(2):
        watch.run(lambda: time.sleep(0.05))
    assert watch.seconds >= 0.1
    assert watch.cpu_s < 0.05


def test_a_piece_that_fails_is_measured() -> None:
    watch = Stopwatch()
    with pytest.raises(ZeroDivisionError):
        watch.run(lambda: 1 // 0)
    assert watch.seconds > 0


@pytest.mark.parametrize(
    ("told", "pause_s", "differs"), [(None, 60, True), (60, 100, False), (60, 130, True), (130, 60, True)]
)
def test_only_a_pause_that_has_changed_much_is_told(
    told: float | None, pause_s: float, differs: bool
) -> None:
    before = None if told is None else SweepPace(1.0, told)
    assert SweepPace(1.0, pause_s).differs(before) is differs
