"""Performance drift: known values, its rate of false alarms, and what it detects."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from iris_core.drift.performance import Answered, performance_verdict
from iris_core.drift.thresholds import PERFORMANCE_ALPHA

pytestmark = pytest.mark.unit

ROUNDS = 2000


def severity(right: int, rows: int, holdout_right: int, holdout_rows: int) -> str:
    reference = Answered(rows=holdout_rows, right=holdout_right)
    return performance_verdict(reference, Answered(rows=rows, right=right)).severity


@pytest.mark.parametrize(
    ("right", "rows", "holdout_right", "holdout_rows", "expected"),
    [
        (19, 19, 24, 24, "insufficient"),
        (0, 30, 19, 19, "insufficient"),
        (30, 30, 12, 24, "none"),  # better than before is no drift
        (27, 30, 23, 24, "none"),  # three wrong ones of 30 are chance
        (990_000, 1_000_000, 99_900, 100_000, "none"),  # 0.9 points: surely lost, too little to matter
        (965_000, 1_000_000, 99_900, 100_000, "low"),
        (920_000, 1_000_000, 99_900, 100_000, "medium"),
        (15, 30, 23, 24, "high"),
    ],
)
def test_severity(right: int, rows: int, holdout_right: int, holdout_rows: int, expected: str) -> None:
    assert severity(right, rows, holdout_right, holdout_rows) == expected


def test_the_bound_is_that_of_two_exact_intervals() -> None:
    """Clopper-Pearson intervals as scipy gives them, joined as Zou and Donner do."""
    verdict = performance_verdict(Answered(rows=30, right=30), Answered(rows=30, right=20))
    sides = 1 - 2 * PERFORMANCE_ALPHA
    lower = binomtest(10, 30).proportion_ci(sides, "exact").low
    upper = 1 - PERFORMANCE_ALPHA ** (1 / 30)  # of none in n, by hand
    assert verdict.loss == pytest.approx(1 / 3)
    assert verdict.noise == pytest.approx(np.hypot(1 / 3 - lower, upper))


@pytest.mark.parametrize("rows", [30, 100, 1000, 100_000])
@pytest.mark.parametrize("holdout_rows", [24, 100, 1000])
@pytest.mark.parametrize("accuracy", [0.7, 0.95])
def test_false_alarms_are_at_most_five_percent(rows: int, holdout_rows: int, accuracy: float) -> None:
    seeded = np.random.default_rng(7)
    holdout = seeded.binomial(holdout_rows, accuracy, ROUNDS).tolist()
    current = seeded.binomial(rows, accuracy, ROUNDS).tolist()
    alarms = sum(
        severity(now, rows, was, holdout_rows) != "none" for now, was in zip(current, holdout, strict=True)
    )
    assert alarms / ROUNDS <= 0.05


def test_a_loss_of_ten_points_is_seen() -> None:
    seeded = np.random.default_rng(7)
    found = [severity(now, 1000, 950, 1000) for now in seeded.binomial(1000, 0.85, ROUNDS).tolist()]
    assert sum(one in ("medium", "high") for one in found) / ROUNDS > 0.9


def test_the_sentence_says_what_was_lost_and_where_from() -> None:
    verdict = performance_verdict(Answered(rows=24, right=23), Answered(rows=30, right=15))
    assert verdict.sentence == (
        "Accuracy fell by 45.8 points, surely by 23.1: 50.0% of 30 rows that were labelled later are right, "
        "95.8% of 24 on the holdout."
    )
    assert verdict.columns == ("accuracy",)
