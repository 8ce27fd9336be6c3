"""The change of a category's levels: its size, its chance by exact tests, and the level that is named."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from scipy import stats

from iris_core.drift.levels import MOST_COMPARED, REST, LevelChange, level_change

pytestmark = pytest.mark.unit

EVEN = np.full(5, 0.2)
ZIPF = (1 / np.arange(1, 31)) / (1 / np.arange(1, 31)).sum()
RARE = np.array([0.97, 0.015, 0.015])


def rows(counts: np.ndarray) -> dict[str, int]:
    return {f"level {place}": int(count) for place, count in enumerate(counts)}


def change(old: list[int] | np.ndarray, new: list[int] | np.ndarray) -> LevelChange:
    return level_change(rows(np.array(old)), rows(np.array(new)), 0.005)


def test_two_levels_are_fishers_exact_test() -> None:
    found = change([100, 400], [175, 325])
    assert found.change.value == pytest.approx(0.15)
    assert found.change.chance == pytest.approx(stats.fisher_exact([[100, 400], [175, 325]]).pvalue)
    assert (found.level, found.was, found.now) == ("level 0", 0.2, 0.35)


def test_the_size_is_the_share_of_rows_that_moved() -> None:
    found = change([50, 30, 20], [30, 30, 40])
    assert found.change.value == pytest.approx(0.2)
    # Of two that moved alike, the one that grew.
    assert (found.level, found.was, found.now) == ("level 2", 0.2, 0.4)
    assert change([50, 30, 20], [10, 50, 40]).level == "level 0"


def test_a_new_level_and_one_that_is_gone() -> None:
    new = level_change({"a": 60, "b": 40}, {"a": 60, "b": 40, "(other)": 30}, 0.005)
    assert (new.level, new.was) == ("(other)", 0.0)
    assert new.now == pytest.approx(30 / 130)
    gone = level_change({"a": 60, "b": 40}, {"a": 100}, 0.005)
    assert gone.change.value == 0.4
    assert gone.change.chance == pytest.approx(stats.fisher_exact([[60, 40], [100, 0]]).pvalue)
    same = level_change({"a": 60}, {"a": 100}, 0.005)
    assert (same.change.value, same.change.chance) == (0.0, 1.0)
    other = level_change({"a": 3}, {"b": 3}, 0.005)
    assert other.change.chance == pytest.approx(2 / comb(6, 3))


@pytest.mark.parametrize("shares", [EVEN, ZIPF, RARE], ids=["even", "zipf", "rare"])
@pytest.mark.parametrize(("m", "n"), [(30, 30), (500, 100), (120, 1_000)])
def test_its_chance_holds(shares: np.ndarray, m: int, n: int) -> None:
    rng = np.random.default_rng([m, n])
    chances = np.array(
        [change(rng.multinomial(m, shares), rng.multinomial(n, shares)).change.chance for _ in range(400)]
    )
    for alpha in (0.05, 0.01):
        assert (chances <= alpha).sum() <= stats.binom.ppf(0.999, 400, alpha)


def test_one_level_among_many_is_seen_by_a_test_of_its_own() -> None:
    many = np.full(150, 40)
    moved = many.copy()
    moved[7] += 45
    found = change(many, moved)
    # Half of the error rate, divided among 150 levels.
    alone = stats.fisher_exact([[40, 5_960], [85, 5_960]]).pvalue
    assert found.change.chance == pytest.approx(alone * 150 / 0.5)
    assert found.level == "level 7"


def test_levels_too_rare_to_be_so_unlikely_do_not_count() -> None:
    # All 17 rows of a rare level may lie on one side: about 2^-17, more than what was found.
    found = change([400, 100, *[9] * 50], [270, 230, *[8] * 50])
    alone = stats.fisher_exact([[100, 850], [230, 670]]).pvalue
    assert alone < 2.0**-17
    assert found.change.chance == pytest.approx(alone * 2 / 0.5)


def test_levels_that_all_move_a_little_are_seen_together() -> None:
    old, new = np.full(40, 50), np.where(np.arange(40) % 2, 35, 65)
    assert stats.fisher_exact([[50, 1_950], [65, 1_935]]).pvalue * 40 / 0.5 > 1
    # None of 99,999 draws reaches it; half of the error rate.
    assert change(old, new).change.chance == pytest.approx(1e-5 / 0.5)


def test_what_no_number_of_draws_can_show_has_a_bound() -> None:
    old, new = np.full(40, 500), np.where(np.arange(40) % 2, 350, 650)
    assert change(old, new).change.chance < 1e-12


def test_the_bound_is_above_what_is_drawn() -> None:
    from iris_core.drift.levels import _bound

    rng = np.random.default_rng(4)
    for old, new in (([400, 90, 10], [80, 15, 5]), ([30] * 10, [20] * 10), ([9_990, 5, 5], [300, 0, 1])):
        both, n = np.array(old, dtype=np.int64) + np.array(new, dtype=np.int64), sum(new)
        drawn = rng.multivariate_hypergeometric(both, n, 20_000, method="marginals")
        shares = np.abs(drawn / n - (both - drawn) / sum(old)).sum(axis=1) / 2
        for value in np.quantile(shares, [0.5, 0.9, 0.99, 0.999]):
            assert _bound(float(value), np.array(old), np.array(new)) >= (shares >= value).mean()


def test_the_rarest_of_very_many_levels_are_one() -> None:
    rng, shares = np.random.default_rng(3), 1 / np.arange(1, 1_001)
    old, new = (rng.multinomial(5_000, shares / shares.sum()) for _ in range(2))
    assert change(old, new).change.chance > 0.01
    grown = new.copy()
    grown[MOST_COMPARED + 100 :] *= 4
    found = change(old, grown)
    assert found.level == REST
    assert found.change.chance < 1e-6


def test_billions_of_rows() -> None:
    found = change([2_000_000_000, 1_000_000_000, 5], [20_000_000, 10_000_000, 400_000])
    assert found.level == "level 2"
    assert found.change.chance < 1e-20
    assert change([2_000_000_000, 1_000_000_000, 5], [200, 100, 0]).change.chance > 0.05
