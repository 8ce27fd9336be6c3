"""Known values of intervals for a share."""

from __future__ import annotations

import pytest

from iris_core.models.intervals import wilson_interval

pytestmark = pytest.mark.unit


def test_published_example() -> None:
    """15 of 148: 0.0624 to 0.1605 in Newcombe, Stat Med 17 (1998) 857, table I, method 3."""
    found = wilson_interval(15, 148, 0.95)
    assert (found.low, found.high) == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_needs_rows() -> None:
    with pytest.raises(ValueError, match="no rows"):
        wilson_interval(0, 0, 0.95)
