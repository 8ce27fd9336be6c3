"""The usual levels of a category: bounded, and the same for every batch of a model."""

from __future__ import annotations

import pytest

from iris_core.drift.levels import REST
from iris_core.drift.statistics import FeatureStatistics, merge, of_levels
from iris_core.drift.usual import FEWEST, LONGEST_LEVEL, MOST, most_levels, usual_levels

pytestmark = pytest.mark.unit

REFERENCE = of_levels({f"level {place:03}": 1_000 - place for place in range(300)}, 7)


def usual(side: FeatureStatistics) -> FeatureStatistics:
    return usual_levels({"a": REFERENCE}, {"a": side})["a"]


def test_the_levels_with_most_rows_of_the_reference_are_counted() -> None:
    found = usual(of_levels({"level 000": 2, "level 299": 90, "never seen": 4, "(other)": 3}, 5))
    assert found == of_levels({"level 000": 2, REST: 94, "(other)": 3}, 5)
    own = usual(REFERENCE)
    assert (own.count, own.missing, len(own.levels or {})) == (REFERENCE.count, 7, MOST + 1)


def test_counts_of_batches_merge_to_those_of_all_rows() -> None:
    first, second = of_levels({"level 001": 3, "level 200": 5}), of_levels({"level 200": 1, "new": 2}, 1)
    assert merge(usual(first), usual(second)) == usual(merge(first, second))


def test_numbers_have_none() -> None:
    both = {"a": REFERENCE, "b": FeatureStatistics(count=3, mean=1.0, std=0.5, min=0.0, max=2.0)}
    assert list(usual_levels(both, both)) == ["a"]


def test_many_columns_have_fewer_levels_each() -> None:
    assert [most_levels(columns) for columns in (1, 8, 20, 500)] == [MOST, MOST, 10, FEWEST]


def test_long_names_are_cut_and_stay_different() -> None:
    one, two = "x" * 900, "x" * 899 + "y"
    reference = of_levels({one: 3, two: 2})
    found = usual_levels({"a": reference}, {"a": reference})["a"].levels or {}
    assert sorted(found.values()) == [2, 3]
    assert max(map(len, found)) == LONGEST_LEVEL
