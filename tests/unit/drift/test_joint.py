"""Whole rows: what is seen, how often without a change, and for how much work."""

from __future__ import annotations

import numpy as np
import pytest

from iris_core.drift.joint import joint_change

pytestmark = pytest.mark.unit

ALPHA = 0.1


def _rows(rng: np.random.Generator, n: int, correlation: float, columns: int = 3) -> np.ndarray:
    rows = rng.standard_normal((n, columns))
    rows[:, 1] = correlation * rows[:, 0] + np.sqrt(1 - correlation**2) * rows[:, 1]
    return np.exp(1.5 * rows)  # heavy tails change nothing: ranks are compared


def test_a_turned_correlation_names_its_columns() -> None:
    rng = np.random.default_rng(1)
    found = joint_change(_rows(rng, 500, 0.9), _rows(rng, 300, -0.9), 0.003, 7)
    assert found is not None
    assert found.pair == (0, 1)
    assert found.change.value == pytest.approx(-1.8, abs=0.1)
    assert found.change.chance == 1 / 2500


def test_a_dependence_without_correlation_is_seen() -> None:
    rng = np.random.default_rng(2)
    old, new = rng.standard_normal((400, 2)), rng.standard_normal((400, 2))
    new[:, 1] = np.abs(new[:, 0]) * rng.choice([-1, 1], 400)  # normal, uncorrelated, and on a cross
    found = joint_change(old, new, 0.003, 7)
    assert found is not None
    assert found.change.chance <= 0.003


def test_false_alarms_keep_their_level() -> None:
    rng = np.random.default_rng(3)
    alarms = 0
    for turn in range(120):
        found = joint_change(_rows(rng, 60, 0.9), _rows(rng, 40, 0.9), ALPHA, turn)
        alarms += found is not None and found.change.chance <= ALPHA
    assert alarms <= 22  # binomial at 10 %: more has a probability of 0.2 %


def test_what_cannot_be_compared() -> None:
    rng = np.random.default_rng(4)
    rows = _rows(rng, 40, 0.5)
    assert joint_change(rows, rows[:19], ALPHA, 7) is None
    assert joint_change(rows[:, :1], rows[:, :1], ALPHA, 7) is None
    assert joint_change(np.ones((40, 3)), np.ones((40, 3)), ALPHA, 7) is None


def test_the_same_seed_gives_the_same() -> None:
    rng = np.random.default_rng(5)
    old, new = _rows(rng, 3_000, 0.5), _rows(rng, 3_000, 0.3)
    assert joint_change(old, new, ALPHA, 7) == joint_change(old, new, ALPHA, 7)
