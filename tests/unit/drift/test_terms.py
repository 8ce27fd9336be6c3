"""Each statistic of drift against a known value or an independent computation."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from iris_core.drift.beyond import beyond_share
from iris_core.drift.change import Change
from iris_core.drift.constant import changed_share
from iris_core.drift.hypergeometric import at_least, more_or_less
from iris_core.drift.location import mean_shift, standardised
from iris_core.drift.mix import moved_share
from iris_core.drift.ranks import pooled
from iris_core.drift.scale import std_ratio
from iris_core.drift.shape import distribution_distance
from iris_core.drift.share import share_difference, share_increase
from iris_core.drift.spread import Compared, learnt_spread, widened
from iris_core.drift.statistics import FeatureStatistics, of_frame, of_levels
from iris_core.drift.thresholds import ALPHA, LEVEL, Term, Thresholds, level

pytestmark = pytest.mark.unit

Values = np.ndarray[Any, np.dtype[np.float64]]


def _of(values: Values) -> FeatureStatistics:
    return of_frame(pl.DataFrame({"x": values}), ["x"])["x"]


def _symmetric(n: int, mean: float = 0.0, std: float = 1.0) -> Values:
    """Normal quantiles: no skewness, so that the mean's bound is the plain t test's."""
    values: Values = stats.norm.ppf((np.arange(n) + 0.5) / n)
    symmetric: Values = mean + std * values / values.std(ddof=1)
    return symmetric


def test_the_size_of_a_shift_is_that_of_the_pooled_t_test() -> None:
    a, b = _symmetric(120), _symmetric(30, mean=0.7)
    p = stats.ttest_ind(b, a).pvalue  # independent: scipy's pooled two-sample t test
    value, noise = standardised(_of(a), _of(b), p)
    assert value == pytest.approx(0.7)
    assert noise == pytest.approx(0.7, rel=1e-9)


def test_the_chance_of_a_shift_is_that_of_a_permutation_test_on_normal_scores() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.lognormal(0, 1.5, 60), rng.lognormal(0.9, 1.5, 25)
    found = mean_shift(_of(a), _of(b), 0.01, pooled(a, b))
    ranks = stats.rankdata(np.concatenate([a, b]))
    scores = stats.norm.ppf(ranks / (len(ranks) + 1))

    def difference(x: np.ndarray, y: np.ndarray, axis: int = 0) -> np.ndarray:
        return np.asarray(y.mean(axis=axis) - x.mean(axis=axis))

    p = stats.permutation_test(
        (scores[:60], scores[60:]), difference, vectorized=True, n_resamples=40_000, rng=1
    ).pvalue
    assert found.chance == pytest.approx(p, rel=0.25)
    assert 0.001 < p < 0.05


def test_a_mean_that_only_an_outlier_moved_the_other_way_is_chance() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(0, 1, 100), np.append(rng.normal(-1, 1, 99), 1e6)
    assert mean_shift(_of(a), _of(b), 0.01, pooled(a, b)).chance == 1.0


def test_a_shift_is_allowed_more_where_the_tail_is() -> None:
    a = np.random.default_rng(3).exponential(1.0, 500)
    b = a[:30] - a[:30].mean() + a.mean()
    (_, up), (_, down) = (standardised(_of(a), _of(b + shift), 0.01) for shift in (0.1, -0.1))
    # Johnson 1978, by hand: skewness of the difference of means, from scipy's skewness of the residuals.
    skewness = stats.skew(np.concatenate([a - a.mean(), b - b.mean()]))
    skewness *= (1 / 30**2 - 1 / 500**2) / (1 / 30 + 1 / 500) ** 1.5
    t = stats.t.isf(0.005, 528)
    assert up / down == pytest.approx(1 + skewness * (t**2 - 1) / 6 / t)
    assert up / down > 1.05


def test_std_ratio_is_sized_by_the_f_test_at_kurtosis_3() -> None:
    a, b = (
        FeatureStatistics(count=n, mean=0.0, std=s, min=-9, max=9, skewness=0.0, kurtosis=1.2)
        for n, s in ((121, 1.0), (31, 1.6))
    )
    # At kurtosis 3 Shoemaker's degrees of freedom are 2n / (3 - (n-3)/(n-1)): 2n / (2 + 2/(n-1)) = n - 1.
    upper, lower = stats.f.isf(0.005, 30, 120), stats.f.ppf(0.005, 30, 120)
    rows = pooled(_symmetric(121), _symmetric(31, std=1.6))
    wider = std_ratio(a, b, 0.01, rows)
    narrower = std_ratio(a, b.model_copy(update={"std": 0.5}), 0.01, rows)
    assert wider.value == pytest.approx(log(1.6))
    assert wider.noise == pytest.approx(log(upper) / 2)
    assert wider.chance < 0.01
    assert narrower.value == pytest.approx(log(0.5))
    assert narrower.noise == pytest.approx(-log(lower) / 2)
    assert narrower.chance == 1.0  # the sampled rows are wider: the two must point the same way


def test_std_ratio_is_noisier_on_heavy_tails() -> None:
    rng = np.random.default_rng(5)
    heavy, light = rng.lognormal(0, 1, 1000), rng.standard_normal(1000)
    noise = [std_ratio(_of(one), _of(one), 0.01, pooled(one, one)).noise for one in (heavy, light)]
    assert noise[0] > 2 * noise[1]


def test_fishers_exact_test() -> None:
    # Fisher's lady: 8 cups, 4 with milk first; all 4 named: 1 / 70, at least 3: 17 / 70.
    assert at_least(4, 4, 4, 8) == pytest.approx(1 / 70)
    assert at_least(3, 4, 4, 8) == pytest.approx(17 / 70)
    assert (at_least(0, 4, 4, 8), at_least(5, 4, 4, 8)) == (1.0, 0.0)
    for table in ([[20, 30], [90, 60]], [[4, 96], [0, 500]], [[5, 5], [5, 5]], [[0, 30], [40, 0]]):
        (now, others), (was, others_before) = table
        found = more_or_less(was, was + others_before, now, now + others)
        assert found == pytest.approx(stats.fisher_exact(table).pvalue)
    assert more_or_less(500_000, 1_000_000, 450_000, 1_000_000) == 0.0


@pytest.mark.parametrize(
    ("x", "m", "y", "n", "expected"),
    [
        # Clopper-Pearson at 0/n: upper limit 1 - (alpha/2)^(1/n), lower limit 0 (closed form).
        (0, 100, 0, 50, 1 - 0.025 ** (1 / 100)),
        # One success: lower limit 1 - (1 - alpha/2)^(1/n).
        (0, 100, 1, 50, np.hypot(0.02 - (1 - 0.975 ** (1 / 50)), 1 - 0.025 ** (1 / 100))),
    ],
)
def test_share_difference_closed_forms(x: int, m: int, y: int, n: int, expected: float) -> None:
    change = share_difference(x, m, y, n, 0.05)
    assert change.value == pytest.approx(y / n - x / m)
    assert change.noise == pytest.approx(expected)


def test_share_difference_is_symmetric_and_keeps_its_level() -> None:
    there, back = share_difference(5, 100, 40, 200, 0.01), share_difference(40, 200, 5, 100, 0.01)
    assert (there.value, there.noise) == pytest.approx((-back.value, back.noise))
    # Exact false-alarm probability by enumeration, not simulation.
    for share in (0.002, 0.02, 0.2):
        x, y = range(121), range(51)
        p = stats.binom.pmf(x, 120, share)[:, None] * stats.binom.pmf(y, 50, share)[None, :]
        alarms = [
            [abs(c.value) > c.noise for c in (share_difference(i, 120, j, 50, 0.01) for j in y)] for i in x
        ]
        assert p[np.array(alarms)].sum() <= 0.01


def test_rows_beyond_the_reference_have_the_probability_of_exceedances() -> None:
    a, b = np.arange(10.0), np.array([*np.arange(5.0), 10.0, 11.0])
    found = beyond_share(pooled(a, b), 0.01)
    # Both of 7 rows are the largest of 17: 7/17 · 6/16, on either side.
    assert found.chance == pytest.approx(2 * 7 / 17 * 6 / 16)
    assert found.value == pytest.approx(2 / 7)
    below = beyond_share(pooled(-a, -b), 0.01)
    assert (below.value, below.chance) == pytest.approx((-2 / 7, found.chance))
    assert beyond_share(pooled(a, a), 0.01).chance == 1.0


def test_the_noise_of_rows_beyond_is_the_fewest_that_are_no_chance() -> None:
    rows = pooled(np.arange(500.0), np.arange(100.0))
    needed = round(beyond_share(rows, 0.001).noise * 100)

    def chance(k: int) -> float:
        return 2 * float(np.prod([(100 - i) / (600 - i) for i in range(k)]))

    assert chance(needed) <= 0.001 < chance(needed - 1)


@pytest.mark.parametrize("draw", ["normal", "pareto", "discrete"])
def test_rows_beyond_keep_their_level_on_any_distribution(draw: str) -> None:
    rng = np.random.default_rng(11)
    draws: dict[str, Callable[[int], Values]] = {
        "normal": lambda n: rng.standard_normal(n),
        "pareto": lambda n: rng.pareto(0.5, n),
        "discrete": lambda n: rng.geometric(0.3, n).astype(float),
    }
    alarms = [beyond_share(pooled(draws[draw](50), draws[draw](40)), 0.1).chance <= 0.1 for _ in range(3_000)]
    assert np.mean(alarms) <= 0.115  # three standard errors above 0.1


def test_the_distance_of_distributions_is_kolmogorov_and_smirnovs() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=400), rng.normal(0.3, 1, 300)
    found, scipys = distribution_distance(pooled(a, b), 0.01), stats.ks_2samp(a, b, method="exact")
    assert abs(found.value) == pytest.approx(scipys.statistic)
    assert scipys.pvalue <= found.chance <= 1.5 * scipys.pvalue  # the limit is an upper bound
    assert found.value < 0  # fewer low values than before


def test_rounding_makes_no_new_values() -> None:
    a = np.round(np.random.default_rng(1).normal(5, 1, 300), 1)
    for b in (a.astype(np.float32).astype(float), a + 4e-16, np.where(a > 5, np.nextafter(a, 9), a)):
        rows = pooled(a, b)
        assert len(rows.values) == len(np.unique(a))
        assert (rows.reference == rows.current).all()
    assert len(pooled(np.full(30, 0.3), np.full(30, 0.1 + 0.2)).values) == 1


def test_seconds_since_1970_keep_their_digits() -> None:
    seconds = 1_700_000_000 + np.arange(0.0, 4_000.0, 10.0)
    assert len(pooled(seconds, seconds + 5).values) == 800


def test_the_share_that_left_a_constant() -> None:
    was = np.full(200, 5.0)
    up = changed_share(pooled(was, np.array([5.0] * 30 + [6.0] * 10)), 0.01)
    assert up.value == pytest.approx(0.25)
    assert up.chance == pytest.approx(stats.hypergeom.sf(9, 240, 10, 40))
    assert changed_share(pooled(was, np.full(50, 4.0)), 0.01).value == -1.0
    assert changed_share(pooled(was, was), 0.01).chance == 1.0


def test_the_mix_of_predictions() -> None:
    old, new = {"a": 40, "b": 40, "c": 40}, {"a": 60, "b": 20, "c": 20}
    found = moved_share(old, new, 0.01, 1)
    assert found.value == pytest.approx(0.6 - 1 / 3)
    assert found.chance < 0.001
    two = moved_share({"a": 30, "b": 20}, {"a": 20, "b": 30}, 0.01, 1)
    assert two.value == pytest.approx(0.2)
    # With two classes it is Fisher's test: both tails by symmetry.
    assert two.chance == pytest.approx(2 * at_least(30, 50, 50, 100), abs=0.01)
    assert two.noise > two.value


def test_more_wrong_answers_are_one_sided() -> None:
    more = share_increase(5, 100, 40, 200, 0.01)
    assert more.chance == pytest.approx(at_least(40, 45, 200, 300))
    assert share_increase(40, 100, 10, 200, 0.01).chance > 0.99


def test_a_spread_of_batches_widens_what_chance_allows() -> None:
    # 1/m + 1/n = 0.02, and 2 · 0.1² more: twice the variance.
    change = widened(Change(0.5, 0.3, 0.0027), Compared(100, 100), 0.1, 0.01)
    assert change.noise == pytest.approx(0.3 * 2**0.5)
    assert change.chance == pytest.approx(2 * stats.norm.sf(stats.norm.isf(0.00135) / 2**0.5))
    assert widened(change, Compared(100, 100), 0.0, 0.01) is change


def test_a_chance_too_small_for_a_double_is_widened_by_the_size() -> None:
    # 60 standard deviations of independent rows; 1 + 2 · 0.3² · 2,500 = 451 times the variance.
    noise = -stats.norm.ppf(0.005)
    change = widened(Change(60.0, noise, 0.0), Compared(5_000, 5_000), 0.3, 0.01)
    assert change.chance == pytest.approx(2 * stats.norm.sf(60 / 451**0.5))


def test_the_spread_of_batches_is_learnt_from_their_means() -> None:
    rng = np.random.default_rng(2)
    wide = [{"x": _of(rng.normal(rng.normal(0, 0.3), 1, 400))} for _ in range(40)]
    assert 0.25 <= (learnt_spread(wide) or 0) <= 0.45  # an upper limit of 0.3
    same = [{"x": _of(rng.normal(0, 1, 400))} for _ in range(40)]
    assert (learnt_spread(same) or 0) < 0.05
    assert learnt_spread(wide[:4]) is None


def test_the_spread_of_a_category_is_that_of_its_most_frequent_level() -> None:
    rng = np.random.default_rng(2)

    def batches(spread: float) -> list[dict[str, FeatureStatistics]]:
        shares = 0.5 + spread * 0.5 * rng.standard_normal(40)  # in standard deviations of 0 and 1 at 50 %
        drawn = [rng.multinomial(400, (share, 0.9 - share, 0.1)) for share in shares]
        return [{"x": of_levels(dict(zip("abc", map(int, one), strict=True)))} for one in drawn]

    assert 0.25 <= (learnt_spread(batches(0.3)) or 0) <= 0.45  # an upper limit of 0.3
    assert (learnt_spread(batches(0.0)) or 0) < 0.06


def test_levels_need_chance_and_size() -> None:
    thresholds = Thresholds(low=0.1, medium=0.25, high=0.5)
    cases = [
        ((0.3, 0.31, 0.011), "none"),
        ((0.09, 0.01, 1e-9), "none"),
        ((0.3, 0.2, 0.01), "low"),
        ((-0.5, 0.2, 0.002), "medium"),
        ((-0.5, 0.2, 0.0021), "low"),  # medium and high take a fifth of the chance
        ((0.71, 0.2, 1e-9), "high"),
    ]
    for change, expected in cases:
        assert level(Change(*change), thresholds, 0.01) == expected
    assert level(Change(100.0, 0.0, 0.0), Thresholds(low=0.1, medium=0.25), 0.01) == "medium"


def test_error_rates_add_up_to_five_percent() -> None:
    instead: tuple[Term, ...] = ("changed", "levels")
    varied = sum(alpha for term, alpha in ALPHA.items() if term not in instead)
    others = [
        varied - sum(ALPHA[term] for term in ("mean", "std", "shape", "range")) + ALPHA[alone]
        for alone in instead
    ]
    assert varied == pytest.approx(LEVEL)
    assert max(others) <= varied + 1e-12
