"""Exact statistics: known values, merging, odd columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from iris_core.drift.statistics import LARGEST, FeatureStatistics, merge, merge_tables, of_batches, of_frame
from iris_core.errors import DataRejected

pytestmark = pytest.mark.unit


def _of(values: Sequence[float | None]) -> FeatureStatistics:
    return of_frame(pl.DataFrame({"x": values}, schema={"x": pl.Float64}), ["x"])["x"]


def test_known_values() -> None:
    # NIST StRD, univariate summary statistics, NumAcc3: certified mean 1000000.2, standard deviation 0.1.
    numacc3 = [1000000.2] + [1000000.1, 1000000.3] * 500
    found = _of(numacc3)
    assert found.mean == pytest.approx(1000000.2, rel=1e-14)
    assert found.std == pytest.approx(0.1, rel=1e-8)
    assert (found.count, found.min, found.max) == (1001, 1000000.1, 1000000.3)


def test_skewness_and_kurtosis_of_a_bernoulli_sample() -> None:
    # Closed form for share p of ones: (1 - 2p) / sqrt(p(1-p)) and 1 + (1 - 2p)² / (p(1-p)).
    found = _of([1.0] * 10 + [0.0] * 90)
    assert found.skewness == pytest.approx(0.8 / 0.3)
    assert found.kurtosis == pytest.approx(1 + 0.64 / 0.09)


numbers = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=0, max_size=60)


@settings(max_examples=150, deadline=None)
@given(numbers, numbers, numbers, st.sampled_from([0.0, 1e3, -1e9]))
def test_merging_any_split_is_the_whole(
    a: list[float], b: list[float], c: list[float], offset: float
) -> None:
    parts = [np.array(part) + offset for part in (a, b, c)]
    whole = np.concatenate(parts)
    left = merge(merge(_of(list(parts[0])), _of(list(parts[1]))), _of(list(parts[2])))
    right = merge(_of(list(parts[2])), merge(_of(list(parts[1])), _of(list(parts[0]))))
    for found in (left, right):
        assert found.count == len(whole)
        if len(whole):
            scale = max(np.abs(whole).max(), 1e-9)
            assert found.mean == pytest.approx(whole.mean(), abs=1e-13 * scale * 4)
            assert (found.min, found.max) == (whole.min(), whole.max())
        if len(whole) > 1:
            assert found.std == pytest.approx(whole.std(ddof=1), rel=1e-9, abs=1e-13 * scale)


@pytest.mark.parametrize("offset", [0.0, 1e9, -1e9])
def test_a_large_offset_costs_no_digits(offset: float) -> None:
    values = np.random.default_rng(1).gamma(2.0, 1.0, 50_000) + offset
    exact = values - offset  # exact: subtraction of nearby doubles
    batches = (pl.DataFrame({"x": part}) for part in np.array_split(values, 13))
    found = of_batches(batches, ["x"])["x"]
    assert found.mean == pytest.approx(offset + exact.mean(), rel=1e-15)
    assert found.std == pytest.approx(exact.std(ddof=1), rel=1e-9)
    assert found.skewness == pytest.approx(stats.skew(exact), rel=1e-7)
    assert found.kurtosis == pytest.approx(stats.kurtosis(exact, fisher=False), rel=1e-7)


def test_a_rounded_mean_is_corrected() -> None:
    # At 2^52 doubles are 1 apart: a mean between two of them cannot be stored.
    pattern = [float(i % 3 == 0) for i in range(1_000)]
    assert _of([2.0**52 + v for v in pattern]).std == pytest.approx(np.std(pattern, ddof=1), rel=1e-9)


def test_missing_infinite_and_too_large_values_are_counted_and_left_out() -> None:
    found = _of([1.0, None, float("nan"), 3.0, float("inf"), -float("inf"), 1e200])
    assert (found.count, found.missing, found.infinite, found.rows) == (2, 2, 3, 7)
    assert (found.mean, found.min, found.max) == (2.0, 1.0, 3.0)
    assert found.std == pytest.approx(2**0.5)


def test_the_largest_values_that_count_do_not_overflow() -> None:
    assert _of([1.0, 1e200]).infinite == 1
    found = _of([-LARGEST, LARGEST] * 30_000)
    assert found.infinite == 0
    assert found.std == pytest.approx(LARGEST, rel=1e-4)
    assert found.kurtosis == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], FeatureStatistics(count=0)),
        ([None, None], FeatureStatistics(count=0, missing=2)),
        ([0.1], FeatureStatistics(count=1, mean=0.1, min=0.1, max=0.1)),
        ([0.1] * 7, FeatureStatistics(count=7, mean=0.1, std=0.0, min=0.1, max=0.1)),
    ],
)
def test_few_or_equal_values(values: list[float | None], expected: FeatureStatistics) -> None:
    assert _of(values) == expected
    assert merge(_of(values), FeatureStatistics(count=0)) == expected


def test_an_equal_value_stays_constant_over_batches() -> None:
    for value in (0.1, 1 / 3, 1e9 + 0.1, -2.7e-7):
        batches = (pl.DataFrame({"x": [value] * n}) for n in (3, 1, 50_000))
        found = of_batches(batches, ["x"])["x"]
        assert (found.std, found.mean) == (0.0, value)


def test_no_batches_and_empty_column_types() -> None:
    assert of_batches([], ["x"]) == {"x": FeatureStatistics(count=0)}
    empty = pl.DataFrame({"x": [None, None]}, schema={"x": pl.String})
    assert of_frame(empty, ["x"])["x"].missing == 2


def test_integers_are_numbers_and_survive_json() -> None:
    found = of_frame(pl.DataFrame({"x": [1, 2, 3, None]}), ["x"])["x"]
    assert (found.mean, found.std, found.missing) == (2.0, 1.0, 1)
    assert FeatureStatistics.model_validate_json(found.model_dump_json()) == found


def test_tables_merge_column_by_column() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": [1.0, None, 3.0, 5.0]})
    merged = merge_tables(of_frame(frame[:1], ["x", "y"]), of_frame(frame[1:], ["x", "y"]))
    assert merged["x"].std == pytest.approx(of_frame(frame, ["x"])["x"].std)
    assert merged["y"].missing == 1


CODES = {"x": ("Dream", "Biscoe", "Torgersen"), "z": ("false", "true")}


def _codes(values: Sequence[float | None], name: str = "x") -> FeatureStatistics:
    frame = pl.DataFrame({name: values}, schema={name: pl.Float64})
    return of_frame(frame, [name], CODES)[name]


def test_a_category_has_counts_by_name_and_no_mean() -> None:
    found = _codes([0.0, 1.0, 1.0, None, float("nan")])
    assert found == FeatureStatistics(count=3, missing=2, levels={"Dream": 1, "Biscoe": 2})
    assert (found.rows, found.constant, found.is_category) == (5, False, True)
    assert found.model_dump(mode="json") == {
        "count": 3,
        "missing": 2,
        "infinite": 0,
        "levels": {"Dream": 1, "Biscoe": 2},
    }
    assert FeatureStatistics.model_validate_json(found.model_dump_json()) == found
    assert _codes([1.0, 1.0], "z").constant


codes = st.lists(st.sampled_from([0.0, 1.0, 2.0, None, float("nan")]), max_size=40)


@settings(max_examples=60, deadline=None)
@given(codes, codes, codes)
def test_counts_of_any_split_add_up(
    a: list[float | None], b: list[float | None], c: list[float | None]
) -> None:
    frames = [pl.DataFrame({"x": part}, schema={"x": pl.Float64}) for part in (a, b, c)]
    assert of_batches(frames, ["x"], CODES)["x"] == _codes([*a, *b, *c])
    assert merge(_codes(c), merge(_codes(b), _codes(a))) == _codes([*a, *b, *c])


def test_an_older_record_without_levels_loads_and_looks_as_it_did() -> None:
    stored = (
        '{"count":2,"missing":0,"infinite":0,"mean":1.0,"std":0.0,"min":1.0,"max":1.0,'
        '"skewness":null,"kurtosis":null}'
    )
    assert FeatureStatistics.model_validate_json(stored).model_dump_json() == stored


@pytest.mark.parametrize("code", [3.0, -1.0, float("inf")])
def test_a_number_that_is_no_code_is_refused(code: float) -> None:
    with pytest.raises(DataRejected, match="Column x holds a number that stands for none of its 3 levels"):
        _codes([0.0, code])


def test_a_missing_and_a_text_column_are_rejected_with_what_was_found() -> None:
    frame = pl.DataFrame({"x": [1.0], "y": ["5,1"]})
    with pytest.raises(DataRejected, match=r"Column z is missing; found x, y\.") as missing:
        of_frame(frame, ["x", "z"])
    assert missing.value.evidence["missing"] == ["z"]
    with pytest.raises(DataRejected, match=r"Column y holds String \('5,1'\), expected numbers"):
        of_frame(frame, ["y"])
