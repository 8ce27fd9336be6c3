"""One verdict: what carries it, in which order, in which words."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from scipy import stats

from iris_core.drift.evidently_report import EvidentlyReport
from iris_core.drift.known import Known, Rejected
from iris_core.drift.performance import Answered
from iris_core.drift.sentence import _OF_ROWS, _PHRASES
from iris_core.drift.sides import Side
from iris_core.drift.statistics import of_frame
from iris_core.drift.thresholds import ALPHA, THRESHOLDS, Term
from iris_core.drift.verdict import DriftVerdict, judge, with_page

pytestmark = pytest.mark.unit

NAMES = ("a", "b", "c")


def _table(n: int) -> pl.DataFrame:
    """Normal quantiles, mean 3.8 and standard deviation 1, in every column: a sample without luck."""
    return pl.DataFrame(dict.fromkeys(NAMES, 3.8 + stats.norm.ppf((np.arange(n) + 0.5) / n)))


REFERENCE, CURRENT = _table(500), _table(200)


def _side(frame: pl.DataFrame) -> Side:
    names = [name for name in frame.columns if frame[name].dtype.is_numeric()]
    return Side(of_frame(frame, names), frame)


def _judge(current: pl.DataFrame, **weights: float) -> DriftVerdict:
    return judge(_side(REFERENCE), _side(current), Known(units={"a": "cm"}, weights=weights))


def _shifted(**by: float) -> pl.DataFrame:
    return CURRENT.with_columns(pl.col(name) + shift for name, shift in by.items())


def test_no_drift_says_what_could_not_be_seen() -> None:
    verdict = _judge(CURRENT)
    assert (verdict.severity, verdict.columns) == ("none", ())
    # The t test's bound at 2.85 % over three columns, 698 degrees of freedom: 2.60 · sqrt(1/500 + 1/200).
    unseen = stats.t.isf(0.0285 / 3 / 2, 698) * np.sqrt(1 / 500 + 1 / 200)
    assert verdict.sentence == (
        "No drift seen in 3 of 3 features (200 rows against 500); "
        f"a shift below {unseen:.2f} sd would not show with 200 rows."
    )


def test_a_shift_is_told_with_its_size_unit_and_direction() -> None:
    verdict = _judge(_shifted(a=1.9, b=-1.2))
    assert (verdict.severity, verdict.columns) == ("high", ("a", "b"))
    assert "a is 1.9 standard deviations higher than in the training data (mean 5.7 cm" in verdict.sentence
    assert verdict.sentence.endswith("; 2 of 3 features drifted.")
    lower = _judge(_shifted(b=-1.2))
    assert "b is 1.2 standard deviations lower" in lower.sentence


def test_weights_order_columns_of_the_same_level() -> None:
    current = _shifted(a=1.9, b=1.2, c=0.4)
    assert _judge(current).columns == ("a", "b", "c")
    weighted = _judge(current, a=0.1, b=-4.0, c=9.0)
    assert weighted.columns == ("b", "a", "c")  # c is less severe, however large its weight
    assert weighted.sentence.startswith("b is ")


def test_few_rows_are_insufficient() -> None:
    few = _judge(CURRENT.head(19))
    assert (few.severity, few.columns) == ("insufficient", ())
    assert few.sentence == "Too little data to judge: 19 current rows, at least 20 are needed."


def test_a_page_that_is_missing_is_told() -> None:
    verdict = with_page(_judge(CURRENT), EvidentlyReport({}, "", (), "KeyError: 1"))
    assert verdict.severity == "none"
    assert verdict.sentence.endswith(" Evidently's page could not be made: KeyError: 1.")


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pl.lit(None, dtype=pl.Float64), "a is missing in 100 % of the rows (0 % in the training data)"),
        (pl.col("a") * 3, "a is 7."),
        (3.8 + 3 * (pl.col("a") - 3.8), "times wider than in the training data (standard deviation"),
        (3.8 + 0.2 * (pl.col("a") - 3.8), "times narrower than in the training data"),
        (pl.lit(3.8), "a is 3.8 cm in every row, and varied in the training data"),
        (
            pl.when(pl.int_range(pl.len()) < 9).then(-2e6).otherwise(pl.col("a")),
            "a lies below the training data's range in 4.5 % of the rows (0.71 cm to 6.9 cm, now -2e+06 cm)",
        ),
        (
            pl.when(pl.int_range(pl.len()) < 80).then(float("inf")).otherwise(pl.col("a")),
            "a is infinite in 40 % of the rows (0 % in the training data)",
        ),
    ],
)
def test_every_term_has_its_sentence(column: pl.Expr, words: str) -> None:
    verdict = _judge(CURRENT.with_columns(column.alias("a")))
    assert verdict.columns == ("a",)
    assert words in verdict.sentence


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        (
            pl.col("a") * 0.01 + 7.4,
            pl.col("a") * 0.01 + 7.41,
            "higher than in the training data (mean 7.45 cm, was 7.44",
        ),
        (
            pl.col("a") * 100 + 1.7e9,
            pl.col("a") * 100 + 1.7e9 + 300,
            "(mean 1.700001e+09 cm, was 1.7e+09 cm)",
        ),
        (pl.col("a"), pl.col("a") * 1e30, "a is 3.8e+30 standard deviations higher"),
    ],
)
def test_both_numbers_are_told_apart(was: pl.Expr, now: pl.Expr, words: str) -> None:
    reference, current = REFERENCE.with_columns(was.alias("a")), CURRENT.with_columns(now.alias("a"))
    assert words in judge(_side(reference), _side(current), Known(units={"a": "cm"})).sentence


def test_a_column_that_was_constant() -> None:
    old, new = (pl.DataFrame({"a": [value] * 200}) for value in (3.0, 4.0))
    verdict = judge(_side(old), _side(new))
    assert "a was 3 in every row of the training data and now differs in 100 %" in verdict.sentence


@pytest.mark.parametrize("now", [0.3, 0.1 + 0.2, float(np.float32(0.3))])
def test_a_constant_that_is_written_anew_is_no_drift(now: float) -> None:
    old, new = (CURRENT.with_columns(a=pl.lit(value)) for value in (0.3, now))
    assert judge(_side(old), _side(new)).severity == "none"


def _predicted(frame: pl.DataFrame, classes: list[str], shares: list[float]) -> pl.DataFrame:
    counts = np.round(np.array(shares) * frame.height).astype(int)
    return frame.with_columns(prediction=pl.Series(np.repeat(classes, counts)))


@pytest.mark.parametrize(
    ("was", "now", "severity"),
    [
        ([0.4, 0.4, 0.2], [0.4, 0.4, 0.2], "none"),
        ([0.4, 0.4, 0.2], [0.3, 0.3, 0.4], "low"),
        ([0.4, 0.4, 0.2], [0.1, 0.4, 0.5], "medium"),
        ([0.4, 0.4, 0.2], [1.0, 0.0, 0.0], "high"),
        ([0.9, 0.1, 0.0], [1.0, 0.0, 0.0], "medium"),  # the rare class is gone: a failure, however rare
    ],
)
def test_the_mix_of_predictions_has_a_level_of_its_own(
    was: list[float], now: list[float], severity: str
) -> None:
    classes = ["x", "y", "z"]
    verdict = judge(_side(_predicted(REFERENCE, classes, was)), _side(_predicted(CURRENT, classes, now)))
    assert (verdict.severity, verdict.basic_severity) == (severity, "none")
    assert verdict.columns == (() if severity == "none" else ("prediction",))


def test_wrong_answers_are_held_against_the_holdout_not_against_learnt_rows() -> None:
    answered = CURRENT.with_columns(
        prediction=pl.lit("x"), species=pl.Series(["x"] * 120 + ["y"] * 60 + [None] * 20)
    )
    learnt = REFERENCE.with_columns(prediction=pl.lit("x"), species=pl.lit("x"))

    def judged(holdout: Answered | None) -> DriftVerdict:
        return judge(_side(learnt), _side(answered), Known(label="species", holdout=holdout))

    assert judged(None).severity == "none"
    assert judged(Answered(rows=100, right=70)).severity == "none"
    fallen = judged(Answered(rows=100, right=98))
    assert (fallen.severity, fallen.columns) == ("high", ("species",))
    assert fallen.sentence.startswith("Accuracy fell by 31 points, 98 % on the holdout")


def test_refused_rows_reach_the_verdict() -> None:
    def judged(rejected: Rejected) -> DriftVerdict:
        return judge(_side(REFERENCE), _side(CURRENT), Known(rejected=rejected))

    assert judged(Rejected(rows=1, missing={"a": 1})).severity == "none"
    missing = judged(Rejected(rows=50, missing={"a": 50}))
    assert missing.columns == ("a", "rejected rows")
    assert "a is missing in 20 % of the rows" in missing.sentence
    other = judged(Rejected(rows=50))
    assert other.columns == ("rejected rows",)
    assert "50 rows (20.0 %) could not be scored" in other.sentence


def test_a_correlation_that_turned_is_seen_by_whole_rows_only() -> None:
    rng = np.random.default_rng(6)

    def table(n: int, correlation: float) -> pl.DataFrame:
        covariance = [[1, correlation], [correlation, 1]]
        return pl.DataFrame(rng.multivariate_normal([0, 0], covariance, n), schema=["a", "b"])

    turned = judge(_side(table(500, 0.9)), _side(table(300, -0.9)))
    assert (turned.severity, turned.basic_severity, turned.columns) == ("high", "none", ("a and b",))
    assert "a and b go together differently" in turned.sentence
    assert judge(_side(table(500, 0.9)), _side(table(300, 0.9))).severity == "none"


def test_refused_rows_are_read_from_the_record_of_a_scoring() -> None:
    faults: list[dict[str, Any]] = [
        {"check": "missing", "column": "a", "count": 3},
        {"check": "infinite", "column": "b", "count": 2},
        {"check": "not_a_number", "column": "a", "count": 9},
        {"check": "short_row", "column": None, "count": 1},
    ]
    assert Rejected.of_faults(14, faults) == Rejected(rows=14, missing={"a": 3}, infinite={"b": 2})


def test_batches_that_differ_by_more_than_chance_keep_the_level_under_a_declared_spread() -> None:
    rng = np.random.default_rng(7)

    def table(n: int) -> pl.DataFrame:
        return pl.DataFrame(rng.normal(rng.normal(0, 0.3, 3), 1, (n, 3)), schema=list(NAMES))

    pairs = [(_side(table(400)), _side(table(300))) for _ in range(40)]
    alarms = [
        sum(judge(old, new, Known(spread=spread)).severity != "none" for old, new in pairs)
        for spread in (0.0, 0.3)
    ]
    assert alarms[0] >= 30  # what such batches do to tests of independent rows
    assert alarms[1] <= 5


def test_a_verdict_survives_json() -> None:
    verdict = _judge(_shifted(a=1.9).with_columns(b=pl.lit(None, dtype=pl.Float64), c=pl.lit(0.1)))
    assert DriftVerdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_every_term_has_an_error_rate_sizes_and_words() -> None:
    assert {*ALPHA} == {*THRESHOLDS} == {*get_args(Term)} == {*_PHRASES, *_OF_ROWS}
