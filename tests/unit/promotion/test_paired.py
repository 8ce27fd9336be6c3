"""Known values and properties of the gate's statistics."""

from __future__ import annotations

from math import comb, isclose

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_core.ledger.records.gate import Pairs
from iris_core.promotion.paired import (
    detectable_loss,
    exact_p_value,
    quantile,
    score_interval,
    wilson_interval,
)

pytestmark = pytest.mark.unit


@st.composite
def some_pairs(draw: st.DrawFn) -> Pairs:
    rows = draw(st.integers(1, 400))
    better = draw(st.integers(0, rows))
    return Pairs(rows=rows, better=better, worse=draw(st.integers(0, rows - better)))


def closed_form(rows: int, b: int, c: int, z: float) -> list[float]:
    """Tango's limits as roots of the quartic of Yang, Sun, Hardin (Stat Med 32, 2013, 1336)."""
    n, g, d, s = rows, z * z, b - c, b + c
    quartic = [
        n**2 * (n / g + 1) ** 2,
        -n * d * (n / g + 1) * (4 * n / g + 1),
        2 * n * d**2 * (3 * n / g + 2) / g - n**2 * (s / g + 1),
        n * d * (2 * s / g + 1) - d**3 * (4 * n / g + 1) / g,
        d**2 * (d**2 / g - s) / g,
    ]
    roots = [root.real for root in np.roots(quartic) if abs(root.imag) < 1e-6]
    return [min(roots), max(roots)]


class TestExactTest:
    @pytest.mark.parametrize(
        ("better", "worse", "expected"),
        [
            # Airway reactivity before and after transplantation (Bentur 2009), one side of the two-sided
            # 0.0703 in Fagerland, Lydersen, Laake, BMC Med Res Methodol 13 (2013) 91.
            (7, 1, 9 / 256),
            (16, 0, 1 / 65536),
            (0, 8, 1.0),
            (0, 0, 1.0),
            (1, 0, 0.5),
        ],
    )
    def test_known_values(self, better: int, worse: int, expected: float) -> None:
        assert exact_p_value(Pairs(rows=21, better=better, worse=worse)) == pytest.approx(expected)

    @given(some_pairs())
    def test_is_the_binomial_tail(self, pairs: Pairs) -> None:
        different = pairs.better + pairs.worse
        tail = sum(comb(different, k) for k in range(pairs.better, different + 1)) / 2**different
        assert exact_p_value(pairs) == pytest.approx(tail, rel=1e-9)


class TestScoreInterval:
    def test_published_example(self) -> None:
        """Bentur 2009, 21 pairs, 1 and 7 discordant: -0.517 to -0.026 in Fagerland, Lydersen, Laake, Stat Med
        33 (2014) 2850, table IV."""
        found = score_interval(Pairs(rows=21, better=1, worse=7), 0.95)
        assert (found.low, found.high) == pytest.approx((-0.517, -0.026), abs=5e-4)

    @pytest.mark.parametrize(
        ("rows", "b", "c"), [(21, 1, 7), (50, 12, 2), (24, 0, 4), (1000, 30, 31), (24, 0, 0)]
    )
    @pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
    def test_agrees_with_the_closed_form(self, rows: int, b: int, c: int, level: float) -> None:
        found = score_interval(Pairs(rows=rows, better=b, worse=c), level)
        assert [found.low, found.high] == pytest.approx(closed_form(rows, b, c, quantile(level)), abs=1e-6)

    def test_no_difference_seen_is_not_no_difference(self) -> None:
        """Without discordant pairs each limit is Wilson's for none of 24."""
        found = score_interval(Pairs(rows=24, better=0, worse=0), 0.95)
        assert found.high == pytest.approx(wilson_interval(0, 24, 0.95).high)
        assert found.low == pytest.approx(-found.high)

    @given(some_pairs())
    def test_holds_the_difference_and_stays_within_reach(self, pairs: Pairs) -> None:
        found = score_interval(pairs, 0.95)
        assert -1 <= found.low <= pairs.difference + 1e-9
        assert pairs.difference - 1e-9 <= found.high <= 1

    @given(some_pairs())
    def test_the_other_way_round_it_is_mirrored(self, pairs: Pairs) -> None:
        found = score_interval(pairs, 0.95)
        other = score_interval(Pairs(rows=pairs.rows, better=pairs.worse, worse=pairs.better), 0.95)
        assert isclose(found.low, -other.high, abs_tol=1e-8)

    @given(some_pairs())
    def test_below_zero_exactly_when_mcnemar_says_so(self, pairs: Pairs) -> None:
        different = pairs.better + pairs.worse
        score = (pairs.better - pairs.worse) / different**0.5 if different else 0.0
        if abs(score + quantile(0.95)) > 1e-6:
            assert (score_interval(pairs, 0.95).high < 0) == (score < -quantile(0.95))

    def test_needs_rows(self) -> None:
        with pytest.raises(ValueError, match="no rows"):
            score_interval(Pairs(rows=0, better=0, worse=0), 0.95)


class TestShares:
    def test_published_example(self) -> None:
        """15 of 148: 0.0624 to 0.1605 in Newcombe, Stat Med 17 (1998) 857, table I, method 3."""
        found = wilson_interval(15, 148, 0.95)
        assert (found.low, found.high) == pytest.approx((0.0624, 0.1605), abs=5e-5)

    @pytest.mark.parametrize("rows", [8, 24, 30, 1000])
    @pytest.mark.parametrize("margin", [0.0, 0.02, 0.1])
    def test_the_detectable_loss_is_the_smallest_that_shows(self, rows: int, margin: float) -> None:
        needed = round(detectable_loss(rows, 0.95, margin) * rows)
        assert score_interval(Pairs(rows=rows, better=0, worse=needed), 0.95).high < -margin
        assert score_interval(Pairs(rows=rows, better=0, worse=needed - 1), 0.95).high > -margin

    def test_where_no_loss_would_show(self) -> None:
        assert detectable_loss(2, 0.95, 0.02) == 1
