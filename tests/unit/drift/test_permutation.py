"""The permutation test by saddlepoint, against enumeration and against drawing."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from iris_core.drift.permutation import permuted
from iris_core.drift.ranks import pooled

pytestmark = pytest.mark.unit


def test_it_is_close_to_all_splits_of_a_small_sample() -> None:
    values = np.array([0.3, 1.1, 1.9, 2.4, 3.7, 4.6, 5.2, 6.8, 8.1, 9.9, 12.5, 17.0])
    chosen = [4, 8, 9, 10, 11]
    rows = pooled(np.delete(values, chosen), values[chosen])
    scores = stats.norm.ppf(np.arange(1, 13) / 13)
    sums = np.array([sum(split) for split in combinations(scores, 5)])
    exact = 2 * np.mean(sums >= scores[chosen].sum() - 1e-9)
    difference, chance = permuted(rows.normal_scores, rows.counts, rows.current)
    assert difference == pytest.approx(scores[chosen].mean() - np.delete(scores, chosen).mean())
    assert chance == pytest.approx(exact, rel=0.25)
    assert 0.005 < exact < 0.05


def test_two_values_are_fishers_exact_test() -> None:
    rows = pooled(np.repeat([0.0, 1.0], [490, 10]), np.repeat([0.0, 1.0], [26, 4]))
    _, chance = permuted(rows.normal_scores, rows.counts, rows.current)
    assert chance == pytest.approx(2 * stats.hypergeom.sf(3, 530, 14, 30))


@pytest.mark.parametrize("what", ["normal_scores", "squared_scores"])
def test_skewed_scores_of_few_values(what: str) -> None:
    """Where a normal approximation says 0.001 and less."""
    rng = np.random.default_rng(8)

    def draw(n: int, share: float) -> np.ndarray:
        return np.where(rng.random(n) < share, rng.lognormal(0, 1, n), 0.0)

    rows = pooled(draw(1000, 0.05), draw(30, 0.22))
    scores = getattr(rows, what)
    _, chance = permuted(scores, rows.counts, rows.current)
    each = np.repeat(scores, rows.counts)
    drawn = rng.permuted(np.tile(each, (20_000, 1)), axis=1)[:, :30].sum(axis=1)
    found = float(scores @ rows.current)
    assert chance == pytest.approx(2 * np.mean(drawn >= found - 1e-9), rel=0.35)
    z = (found - each.mean() * 30) / drawn.std()
    assert 2 * stats.norm.sf(z) < chance / 2


def test_what_cannot_be_more_different() -> None:
    apart = pooled(np.full(100, 3.0), np.full(30, 4.0))
    assert permuted(apart.normal_scores, apart.counts, apart.current)[1] < 1e-20
    far = pooled(np.arange(100.0), np.arange(1_000.0, 1_030.0))
    assert permuted(far.normal_scores, far.counts, far.current)[1] < 1e-20
    same = pooled(np.full(100, 3.0), np.full(30, 3.0))
    assert permuted(same.normal_scores, same.counts, same.current) == (0.0, 1.0)


def test_many_values_are_worked_on_in_groups() -> None:
    rng = np.random.default_rng(9)
    rows = pooled(rng.normal(size=20_000), rng.normal(0.03, 1, 20_000))
    difference, chance = permuted(rows.normal_scores, rows.counts, rows.current)
    assert chance == pytest.approx(2 * stats.norm.sf(difference / np.sqrt(1 / 20_000 * 2)), rel=0.05)
