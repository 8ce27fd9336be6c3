"""One verdict: what carries it, in which order, in which words."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from iris_core.drift import DriftVerdict, EvidentlyColumn, EvidentlyReport, judge, of_frame

pytestmark = pytest.mark.unit

NAMES = ("a", "b", "c")


def _table(n: int) -> pl.DataFrame:
    """Normal quantiles, mean 3.8 and standard deviation 1, in every column: a sample without luck."""
    return pl.DataFrame(dict.fromkeys(NAMES, 3.8 + stats.norm.ppf((np.arange(n) + 0.5) / n)))


REFERENCE, CURRENT = _table(500), _table(200)


def _judge(current: pl.DataFrame, *tests: EvidentlyColumn, **weights: float) -> DriftVerdict:
    report = EvidentlyReport({}, "", tests) if tests else None
    old, new = of_frame(REFERENCE, NAMES), of_frame(current, NAMES)
    return judge(old, new, {"a": "cm"}, report, weights)


def _shifted(**by: float) -> pl.DataFrame:
    return CURRENT.with_columns(pl.col(name) + shift for name, shift in by.items())


DRIFTED = EvidentlyColumn(
    column="b",
    role="feature",
    method="ks",
    threshold=0.001,
    value=0.0002,
    drifted=True,
    direction="below",
    reference=500,
    current=200,
)


def test_no_drift() -> None:
    verdict = _judge(CURRENT, DRIFTED.model_copy(update={"drifted": False}))
    assert (verdict.severity, verdict.columns) == ("none", ())
    assert verdict.sentence == "No drift: 3 of 3 features look like the training data (200 rows against 500)."


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


def test_evidently_raises_none_to_low_and_says_so() -> None:
    verdict = _judge(CURRENT, DRIFTED)
    assert (verdict.severity, verdict.basic_severity, verdict.columns) == ("low", "none", ("b",))
    assert verdict.sentence == (
        "b is distributed differently than in the training data (Kolmogorov-Smirnov p-value 0.0002, "
        "below 0.001); mean, spread and range of all features are as in the training data."
    )


def test_evidently_changes_nothing_else() -> None:
    high = _judge(_shifted(a=1.9), DRIFTED.model_copy(update={"drifted": False}))
    assert high.severity == "high"
    low = _judge(_shifted(a=0.4), DRIFTED)
    assert (low.severity, low.columns) == ("low", ("a",))
    few = _judge(CURRENT.head(19), DRIFTED)
    assert (few.severity, few.columns) == ("insufficient", ())
    assert few.sentence == "Too little data to judge: 19 current rows, at least 20 are needed."


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pl.lit(None, dtype=pl.Float64), "a is missing in 100 % of the rows (0 % in the training data)"),
        (pl.col("a") * 3, "a is 7."),
        (3.8 + 3 * (pl.col("a") - 3.8), "times wider than in the training data (standard deviation"),
        (3.8 + 0.2 * (pl.col("a") - 3.8), "times narrower than in the training data"),
        (pl.lit(3.8), "a is 3.8 cm in every row, and varied in the training data"),
        (
            pl.when(pl.int_range(pl.len()) == 3).then(2e6).otherwise(pl.col("a")),
            "a reaches 2e+06 cm, far outside the training data's range",
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


def test_a_column_that_was_constant() -> None:
    old, new = (pl.DataFrame({"a": [value] * 200}) for value in (3.0, 4.0))
    verdict = judge(of_frame(old, ["a"]), of_frame(new, ["a"]))
    assert "a was 3 in every row of the training data and now differs in at least 100 %" in verdict.sentence


def test_accuracy_and_prediction_have_their_sentences() -> None:
    fell = DRIFTED.model_copy(update={"role": "performance", "column": "species", "value": 0.2})
    assert _judge(CURRENT, fell).sentence.startswith(
        "Accuracy fell by 20 percentage points (200 labelled rows)"
    )
    mix = DRIFTED.model_copy(update={"role": "prediction", "column": "prediction"})
    assert _judge(CURRENT, mix).sentence.startswith("The predicted classes come in other shares")


def test_a_verdict_survives_json() -> None:
    verdict = _judge(_shifted(a=1.9).with_columns(b=pl.lit(None, dtype=pl.Float64), c=pl.lit(0.1)), DRIFTED)
    assert DriftVerdict.model_validate_json(verdict.model_dump_json()) == verdict
