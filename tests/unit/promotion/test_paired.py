"""Known values and properties of the gate's statistics."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_core.ledger.records.gate import Pairs
from iris_core.promotion.paired import detectable_loss, exact_p_value, score_interval

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
    @pytest.mark.parametrize("rows", [8, 24, 30, 1000])
    @pytest.mark.parametrize("margin", [0.0, 0.02, 0.1])
    def test_the_detectable_loss_is_the_smallest_that_shows(self, rows: int, margin: float) -> None:
        needed = round(detectable_loss(rows, 0.95, margin) * rows)
        assert score_interval(Pairs(rows=rows, better=0, worse=needed), 0.95).high < -margin
        assert score_interval(Pairs(rows=rows, better=0, worse=needed - 1), 0.95).high > -margin

    def test_where_no_loss_would_show(self) -> None:
        assert detectable_loss(2, 0.95, 0.02) == 1
