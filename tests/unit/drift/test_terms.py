"""Each statistic of drift against a known value or an independent computation."""

from __future__ import annotations

from math import log

import numpy as np
import polars as pl
import pytest
from scipy import stats

from iris_core.drift import FeatureStatistics, of_frame
from iris_core.drift.change import Change
from iris_core.drift.constant import changed_share, differing_share
from iris_core.drift.extent import range_excess
from iris_core.drift.location import mean_shift
from iris_core.drift.scale import std_ratio
from iris_core.drift.share import share_difference
from iris_core.drift.thresholds import ALPHA, EVIDENTLY_ALPHA, Thresholds, level

pytestmark = pytest.mark.unit


def _of(values: np.ndarray) -> FeatureStatistics:
    return of_frame(pl.DataFrame({"x": values}), ["x"])["x"]


def _symmetric(n: int, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
    """Normal quantiles: no skewness, so that the mean's bound is the plain t test's."""
    values = stats.norm.ppf((np.arange(n) + 0.5) / n)
    return mean + std * values / values.std(ddof=1)


def test_mean_shift_is_the_pooled_t_test() -> None:
    a, b = _symmetric(120), _symmetric(30, mean=0.7)
    p = stats.ttest_ind(b, a).pvalue  # independent: scipy's pooled two-sample t test
    at_p = mean_shift(_of(a), _of(b), p)
    assert at_p.value == pytest.approx(0.7)
    assert at_p.noise == pytest.approx(0.7, rel=1e-9)


def test_mean_shift_allows_more_where_the_tail_is() -> None:
    a = np.random.default_rng(3).exponential(1.0, 500)
    b = a[:30] - a[:30].mean() + a.mean()
    up, down = (mean_shift(_of(a), _of(b + shift), 0.01) for shift in (0.1, -0.1))
    # Johnson 1978, by hand: skewness of the difference of means, from scipy's skewness of the residuals.
    skewness = stats.skew(np.concatenate([a - a.mean(), b - b.mean()]))
    skewness *= (1 / 30**2 - 1 / 500**2) / (1 / 30 + 1 / 500) ** 1.5
    t = stats.t.isf(0.005, 528)
    assert up.noise / down.noise == pytest.approx(1 + skewness * (t**2 - 1) / 6 / t)
    assert up.noise / down.noise > 1.05


def test_std_ratio_is_the_f_test_at_kurtosis_3() -> None:
    a, b = (
        FeatureStatistics(count=n, mean=0.0, std=s, min=-9, max=9, skewness=0.0, kurtosis=1.2)
        for n, s in ((121, 1.0), (31, 1.6))
    )
    # At kurtosis 3 Shoemaker's degrees of freedom are 2n / (3 - (n-3)/(n-1)): 2n / (2 + 2/(n-1)) = n - 1.
    upper, lower = stats.f.isf(0.005, 30, 120), stats.f.ppf(0.005, 30, 120)
    wider = std_ratio(a, b, 0.01)
    narrower = std_ratio(a, b.model_copy(update={"std": 0.5}), 0.01)
    assert wider is not None
    assert narrower is not None
    assert wider.value == pytest.approx(log(1.6))
    assert wider.noise == pytest.approx(log(upper) / 2)
    assert narrower.value == pytest.approx(log(0.5))
    assert narrower.noise == pytest.approx(-log(lower) / 2)


def test_std_ratio_is_noisier_on_heavy_tails() -> None:
    rng = np.random.default_rng(5)
    heavy, light = _of(rng.lognormal(0, 1, 1000)), _of(rng.standard_normal(1000))
    noise_heavy, noise_light = std_ratio(heavy, heavy, 0.01), std_ratio(light, light, 0.01)
    assert noise_heavy is not None
    assert noise_light is not None
    assert noise_heavy.noise > 2 * noise_light.noise


def test_std_ratio_leaves_single_rows_to_the_range() -> None:
    values = _symmetric(100)
    assert std_ratio(_of(values), _of(np.append(values, 999.0)), 0.01) is None
    assert std_ratio(_of(values), _of(np.append(values, [999.0] * 6)), 0.01) is not None


def test_a_constant_batch_of_a_rare_feature_is_chance() -> None:
    rare = _of(np.array([1.0] * 10 + [0.0] * 490))
    assert std_ratio(rare, _of(np.zeros(30)), 0.0025) is None  # 0.98^30 = 55 %
    certain = std_ratio(rare, _of(np.zeros(5000)), 0.0025)
    assert certain is not None
    assert abs(certain.value) > certain.noise


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
    assert (there.value, there.noise) == (pytest.approx(-back.value), pytest.approx(back.noise))
    # Exact false-alarm probability by enumeration, not simulation.
    for share in (0.002, 0.02, 0.2):
        x, y = np.arange(121), np.arange(51)
        p = stats.binom.pmf(x, 120, share)[:, None] * stats.binom.pmf(y, 50, share)[None, :]
        alarms = [
            [abs(c.value) > c.noise for c in (share_difference(i, 120, j, 50, 0.01) for j in y)] for i in x
        ]
        assert p[np.array(alarms)].sum() <= 0.01


def test_range_is_padded_by_what_the_sample_size_allows() -> None:
    a = FeatureStatistics(count=119, mean=0.0, std=1.0, min=-2.0, max=3.0, skewness=0.0, kurtosis=3.0)
    n, alpha = 30, 0.01
    c = (n / (120 * alpha / 2)) ** 0.25  # by hand: (30 / 0.6)^(1/4) = 2.659
    assert c == pytest.approx(2.659, abs=1e-3)
    above = range_excess(a, a.model_copy(update={"count": n, "max": 10.0}), alpha)
    assert (above.value, above.noise) == (pytest.approx(7.0), pytest.approx(3.0 * (c - 1)))
    below = range_excess(a, a.model_copy(update={"count": n, "min": -7.0}), alpha)
    assert (below.value, below.noise) == (pytest.approx(-5.0), pytest.approx(2.0 * (c - 1)))
    assert range_excess(a, a.model_copy(update={"count": n, "min": -1.0, "max": 1.0}), alpha).value == 0.0


def test_the_range_bound_is_exact_for_a_fourth_power_tail() -> None:
    # P(X > x) = x^-4 on x >= 1: the padded range is then exceeded with n / ((m + 1) c^4) at most.
    rng, m, n, alpha = np.random.default_rng(11), 100, 20, 0.2
    c = (n / ((m + 1) * alpha / 2)) ** 0.25
    tops = [rng.pareto(4, (20_000, size)).max(axis=1) + 1 for size in (m, n)]
    assert 0.085 <= np.mean(tops[1] > c * tops[0]) <= 0.105


def test_the_share_that_left_a_constant_is_never_overstated() -> None:
    rng = np.random.default_rng(2)
    for share in (0.05, 0.3, 0.9):
        left = rng.random(4_000) < share
        values = np.where(left, 5 + rng.normal(1, 1, 4_000), 5.0)
        assert 0 < differing_share(_of(values), 5.0) <= left.mean() + 1e-12
    assert differing_share(_of(np.full(30, 7.0)), 5.0) == 1.0
    two = _of(np.array([5.0] * 30 + [6.0] * 10))
    assert differing_share(two, 5.0) == pytest.approx(0.25)  # tight when all that left went to one value


def test_changed_share_has_the_direction_of_the_mean() -> None:
    was = _of(np.full(200, 5.0))
    assert changed_share(was, _of(np.full(50, 7.0)), 0.01).value == 1.0
    assert changed_share(was, _of(np.full(50, 4.0)), 0.01).value == -1.0
    assert changed_share(was, was, 0.01).value == 0.0


def test_levels_need_noise_and_size() -> None:
    thresholds = Thresholds(low=0.1, medium=0.25, high=0.5)
    cases = [((0.3, 0.31), "none"), ((0.09, 0.01), "none"), ((0.3, 0.2), "low"), ((-0.5, 0.2), "medium")]
    for change, expected in [*cases, ((0.71, 0.2), "high")]:
        assert level(Change(*change), thresholds) == expected
    assert level(Change(100.0, 0.0), Thresholds(low=0.1, medium=0.25)) == "medium"


def test_error_rates_add_up_to_five_percent() -> None:
    varied = sum(alpha for term, alpha in ALPHA.items() if term != "changed")
    constant = ALPHA["missing"] + ALPHA["infinite"] + ALPHA["changed"]
    assert max(varied, constant) + EVIDENTLY_ALPHA == pytest.approx(0.05)
