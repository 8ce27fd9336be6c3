"""The rows of a sample depend on their number and the seed, not on the pieces in which they come."""

from __future__ import annotations

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_core.drift.sample import bounded_sample, sampled_rows

pytestmark = pytest.mark.unit


@given(
    cuts=st.lists(st.integers(0, 300), max_size=6),
    rows=st.integers(1, 310),
    seed=st.integers(0, 5),
    name=st.sampled_from(["x", "", "__sample_key"]),
)
def test_the_numbers_of_the_sampled_rows(cuts: list[int], rows: int, seed: int, name: str) -> None:
    frame = pl.DataFrame({name: [f"row {number}" for number in range(300)]})
    pieces = [frame[start:end] for start, end in pairwise([0, *sorted(cuts), 300])]
    sample = bounded_sample(pieces, rows, seed)
    assert sample.height == min(rows, 300)
    assert sample[name].to_list() == [f"row {number}" for number in sampled_rows(300, rows, seed)]
