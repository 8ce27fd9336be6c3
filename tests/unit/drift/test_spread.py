"""Batches that differ by more than the chance of independent rows: the level under a learnt spread."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from iris_core.drift.known import Known
from iris_core.drift.placement import score_statistics
from iris_core.drift.sides import Side
from iris_core.drift.spread import LEARNT_FROM, learnt_spread
from iris_core.drift.statistics import of_frame
from iris_core.drift.verdict import judge

pytestmark = [pytest.mark.unit, pytest.mark.slow]

NAMES = ("a", "b")
Rows = NDArray[np.float64]


def _days(rng: np.random.Generator, n: int) -> Rows:
    """Each table is one day, and days differ by 0.3 standard deviations."""
    return rng.normal(rng.normal(0, 0.3, len(NAMES)), 1, (n, len(NAMES)))


def _series(rng: np.random.Generator, n: int) -> Rows:
    """Rows that follow each other: an autoregression with coefficient 0.6."""
    rows = np.empty((n, len(NAMES)))
    rows[0] = rng.standard_normal(len(NAMES))
    steps = rng.normal(0, 0.8, (n, len(NAMES)))
    for place in range(1, n):
        rows[place] = 0.6 * rows[place - 1] + steps[place]
    return rows


@pytest.mark.parametrize("draw", [_days, _series])
def test_a_learnt_spread_keeps_the_level(draw: Callable[[np.random.Generator, int], Rows]) -> None:
    rng = np.random.default_rng(3)

    def side(n: int) -> Side:
        frame = pl.DataFrame(draw(rng, n), schema=list(NAMES))
        return Side(of_frame(frame, NAMES), frame)

    alarms = {"independent": 0, "learnt": 0}
    for _ in range(30):
        reference = side(600)
        first = [score_statistics(reference.sample, side(200).sample, NAMES) for _ in range(LEARNT_FROM)]
        spreads = {"independent": 0.0, "learnt": learnt_spread(first) or 0.0}
        batches = [side(200) for _ in range(5)]
        for name, spread in spreads.items():
            found = (judge(reference, batch, Known(spread=spread)).severity for batch in batches)
            alarms[name] += sum(severity != "none" for severity in found)
    assert alarms["independent"] >= 30  # of 150: what such data do to tests of independent rows
    # 7.5 of 150 at 5 %; five batches share a reference, so they alarm together: 3 of 30 models.
    assert alarms["learnt"] <= 15


def test_large_batches_keep_the_level_and_are_seen() -> None:
    """Chances of independent rows are below what a double holds here."""
    rng = np.random.default_rng(4)

    def side(shift: float = 0.0) -> Side:
        frame = pl.DataFrame(_days(rng, 5_000) + shift, schema=list(NAMES))
        return Side(of_frame(frame, NAMES), frame)

    known = Known(spread=0.3)
    alarms = sum(judge(side(), side(), known).severity != "none" for _ in range(60))
    assert alarms <= 8  # 3 of 60 at 5 %
    assert judge(side(), side(2.5), known).severity == "high"
