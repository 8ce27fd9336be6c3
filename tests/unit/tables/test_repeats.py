"""How many rows repeat an earlier one."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_core.tables import Repeats

pytestmark = pytest.mark.unit


class TestRepeats:
    def count(self, most: int, *values: list[int]) -> Repeats:
        repeats = Repeats(most)
        for batch in values:
            repeats.add(pl.DataFrame({"a": map(str, batch)}))
        return repeats

    @given(st.lists(st.lists(st.integers(0, 30))))
    def test_exact_while_distinct_rows_fit(self, values: list[list[int]]) -> None:
        flat = [one for batch in values for one in batch]
        repeats = self.count(31, *values)
        assert (repeats.total, repeats.is_exact) == (len(flat) - len(set(flat)), True)

    def test_one_row_many_times_is_exact(self) -> None:
        repeats = self.count(10, *[[1] * 1000] * 50)
        assert (repeats.total, repeats.is_exact) == (49_999, True)

    def test_estimate_beyond(self) -> None:
        """Sampling about 5,000 of 100,000 distinct rows: a standard error of some 1.4 %."""
        halves = [list(range(start, start + 10_000)) for start in range(0, 100_000, 10_000)]
        repeats = self.count(10_000, *halves, *halves)
        assert not repeats.is_exact
        assert repeats.total == pytest.approx(100_000, rel=0.06)
