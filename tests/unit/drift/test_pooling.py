"""Small batches as one, and the last batches together."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from iris_core.drift.known import Earlier, Known, Rejected
from iris_core.drift.placement import placement_scores, score_shift, score_statistics
from iris_core.drift.pooling import recent_terms
from iris_core.drift.sides import Side
from iris_core.drift.spread import learnt_spread
from iris_core.drift.statistics import FeatureStatistics, merge_tables, of_frame
from iris_core.drift.verdict import DriftVerdict, judge

pytestmark = pytest.mark.unit

NAMES = ("a", "b")


def _table(rng: np.random.Generator, n: int, shift: float = 0.0) -> pl.DataFrame:
    return pl.DataFrame(np.exp(rng.normal([shift, 0], 1, (n, 2))), schema=list(NAMES))


def _side(frame: pl.DataFrame) -> Side:
    return Side(of_frame(frame, NAMES), frame)


def _course(reference: pl.DataFrame, batches: list[pl.DataFrame]) -> list[DriftVerdict]:
    """The verdicts on batches that land one after the other."""
    earlier: list[Earlier] = []
    verdicts = []
    for batch in batches:
        verdicts.append(judge(_side(reference), _side(batch), Known(earlier=tuple(earlier))))
        earlier.append(Earlier(verdicts[-1].scores, verdicts[-1].severity != "insufficient"))
    return verdicts


def test_a_score_is_the_normal_quantile_of_the_share_below() -> None:
    scores = placement_scores(np.arange(1.0, 10.0), np.array([0.0, 5.0, 5.5, 99.0]))
    assert scores == pytest.approx(stats.norm.ppf([0.05, 0.5, 0.55, 0.95]))


def test_scores_of_batches_merge() -> None:
    rng = np.random.default_rng(1)
    reference, first, second = _table(rng, 200), _table(rng, 30), _table(rng, 50)
    both = score_statistics(reference, pl.concat([first, second]), NAMES)["a"]
    merged = merge_tables(*(score_statistics(reference, one, NAMES) for one in (first, second)))["a"]
    assert merged.count == 80
    assert merged.mean == pytest.approx(both.mean)
    assert merged.std == pytest.approx(both.std)


@pytest.mark.parametrize("rows", [10, 50])
def test_a_record_holds_the_scores_of_some_of_many_columns(rows: int) -> None:
    """What a record has no room for is left out (`ledger.bounded`)."""
    rng = np.random.default_rng(6)
    reference, batches = _table(rng, 400), [_table(rng, rows) for _ in range(6)]
    course = _course(reference, batches)
    earlier = [Earlier({"a": found.scores["a"]}, found.severity != "insufficient") for found in course[:5]]
    found = judge(_side(reference), _side(batches[5]), Known(earlier=tuple(earlier)))
    first, second = ({term.term: term for term in one.terms} for one in found.evidence)
    assert first == {term.term: term for term in course[5].evidence[0].terms}
    assert set(second) <= set(first)
    assert learnt_spread([batch.scores for batch in earlier]) is not None


@pytest.mark.parametrize("skewed", [False, True])
def test_the_chance_of_a_shift_of_scores_is_where_its_noise_is_as_large(skewed: bool) -> None:
    rng = np.random.default_rng(2)
    drawn = (
        (rng.normal(at, 1, n) for at, n in ((0, 200), (0.4, 90))),
        (rng.normal(0, 1, 200), rng.exponential(1.4, 30) - 0.6),
    )
    old, new = (of_frame(pl.DataFrame({"x": values}), ["x"])["x"] for values in drawn[skewed])
    change = score_shift(old, new, 0.01)
    assert 1e-4 < change.chance < 0.05
    assert score_shift(old, new, change.chance).noise == pytest.approx(abs(change.value))


def test_small_batches_are_judged_together_and_each_row_once() -> None:
    rng = np.random.default_rng(3)
    verdicts = _course(_table(rng, 120), [_table(rng, 19, shift=1.2) for _ in range(6)])
    assert [one.severity == "insufficient" for one in verdicts] == [True, False] * 3
    assert all(one.columns == ("a",) for one in verdicts[1::2])
    assert "together with the 1 small batch before" in verdicts[1].sentence


def test_small_batches_without_drift_rarely_alarm() -> None:
    rng = np.random.default_rng(4)
    alarms = sum(
        verdict.severity != "none"
        for _ in range(100)
        for verdict in _course(_table(rng, 60), [_table(rng, 12), _table(rng, 12)])[1:]
    )
    assert alarms <= 10


def test_a_missing_column_of_small_batches_is_seen() -> None:
    rng = np.random.default_rng(5)
    empty = [_table(rng, 15).with_columns(a=pl.lit(None, dtype=pl.Float64)) for _ in range(2)]
    assert _course(_table(rng, 120), empty)[1].columns == ("a",)


def test_what_creeps_is_seen_in_the_last_batches_together() -> None:
    rng = np.random.default_rng(6)
    verdicts = _course(_table(rng, 2_000), [_table(rng, 100, shift=0.22) for _ in range(10)])
    alone = judge(_side(_table(np.random.default_rng(6), 2_000)), _side(_table(rng, 100)))
    assert alone.severity == "none"
    recent = [term for term in verdicts[-1].evidence[0].terms if term.term == "recent"]
    assert recent[0].level == "low"
    assert recent[0].value == pytest.approx(0.22, abs=0.1)


def test_a_verdict_on_small_batches_says_how_many_rows_it_is_about() -> None:
    rng = np.random.default_rng(8)
    last = _course(_table(rng, 120), [_table(rng, 19), _table(rng, 19)])[1]
    assert last.severity == "none"
    assert "(38 rows, together with the 1 small batch before, against 120)" in last.sentence
    assert last.sentence.endswith(" sd would not show with 38 rows.")


def test_missing_values_of_refused_rows_wait_with_their_small_batch() -> None:
    rng = np.random.default_rng(9)
    reference, small = _side(_table(rng, 120)), _side(_table(rng, 9))
    refused = Known(rejected=Rejected(rows=8, missing={"a": 8}))
    first = judge(reference, small, refused)
    assert first.severity == "insufficient"
    last = judge(reference, small, Known(earlier=(Earlier(first.scores, is_judged=False),)))
    assert last.columns == ("a",)
    assert "a is missing in 30.8 % of the rows (0 % in the training data)" in last.sentence


def test_a_batch_whose_rows_were_nearly_all_refused_is_no_small_batch() -> None:
    rng = np.random.default_rng(10)
    reference, few = _side(_table(rng, 120)), _side(_table(rng, 10))
    assert judge(reference, few, Known(rejected=Rejected(rows=50))).columns == ("rejected rows",)
    nineteen = _side(_table(rng, 19))
    assert judge(reference, nineteen, Known(rejected=Rejected(rows=1))).severity == "insufficient"


def test_small_files_that_creep_are_seen_together() -> None:
    rng = np.random.default_rng(11)
    verdicts = _course(_table(rng, 2_000), [_table(rng, 19, shift=0.4) for _ in range(10)])
    terms = {term.term: term for term in verdicts[-1].evidence[0].terms}
    alone = judge(
        _side(_table(np.random.default_rng(11), 2_000)),
        _side(_table(rng, 19)),
        Known(earlier=(Earlier(verdicts[-2].scores, is_judged=False),)),
    )
    assert alone.severity == "none"
    assert (verdicts[-1].columns, terms["recent"].level) == (("a",), "low")


def test_batches_that_spread_keep_the_level_of_the_last_ones_together() -> None:
    """Models whose reference is one day among days that differ by 0.3 standard deviations."""
    rng = np.random.default_rng(12)

    def scores(rows: int) -> FeatureStatistics:
        return of_frame(pl.DataFrame({"a": rng.normal(rng.normal(0, 0.3), 1, rows)}), ["a"])["a"]

    chances = [
        recent_terms(
            {"a": scores(5_000)},
            {"a": scores(1_000)},
            [Earlier({"a": scores(1_000)}, is_judged=True) for _ in range(9)],
            spread=0.3,
        )["a"].chance
        for _ in range(400)
    ]
    # The chance is that of a report's term: 0.0007 of its 0.05.
    shares = [np.mean(np.array(chances) * 0.0007 / 0.05 <= rate) for rate in (0.01, 0.0007)]
    assert shares[0] <= 0.02
    assert shares[1] <= 0.005
