"""The verdict on tables with categories: alone, beside numbers, in small batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from iris_core.drift.known import Earlier, Known, Rejected
from iris_core.drift.sides import Side
from iris_core.drift.statistics import of_frame
from iris_core.drift.verdict import DriftVerdict, judge
from iris_core.errors import DataRejected

pytestmark = pytest.mark.unit

CODED = {"island": ("Dream", "Biscoe", "Torgersen", "(other)"), "tagged": ("false", "true")}
SHARES = (0.5, 0.3, 0.2, 0.0)


def spread(n: int, shares: Sequence[float]) -> np.ndarray:
    """Codes in these shares, without luck, in an order that goes with nothing else."""
    codes = np.repeat(np.arange(len(shares)), np.round(np.array(shares) * n).astype(int))
    return np.random.default_rng(len(codes)).permutation(codes).astype(np.float64)


def table(n: int, island: Sequence[float] = SHARES, tagged: float = 0.4, numbers: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(n)
    return pl.DataFrame(
        {"island": spread(n, island), "tagged": spread(n, (1 - tagged, tagged))}
        | {f"x{place}": rng.standard_normal(n) for place in range(numbers)}
    )


def side(frame: pl.DataFrame) -> Side:
    return Side(of_frame(frame, frame.columns, CODED), frame)


def verdict(current: pl.DataFrame, known: Known | None = None, rows: int = 500) -> DriftVerdict:
    numbers = len(current.columns) - len(CODED)
    return judge(side(table(rows, numbers=numbers)), side(current), known)


def test_no_drift_says_what_could_not_be_seen() -> None:
    found = verdict(table(200))
    assert (found.severity, found.basic_severity, found.columns, found.whole) == ("none", "none", (), ())
    noise = max(term.noise for one in found.evidence for term in one.terms if term.term == "levels")
    assert found.sentence == (
        "No drift seen in 2 of 2 features (200 rows against 500); a move of less than "
        f"{noise:.1%} of the rows to other levels would not show with 200 rows."
    ).replace("%", " %")


def test_numbers_and_categories_have_a_limit_each() -> None:
    found = verdict(table(200, numbers=2))
    assert found.severity == "none"
    assert " sd or a move of less than " in found.sentence


def test_the_sentence_names_the_level_that_moved_most() -> None:
    found = verdict(table(500, (0.35, 0.3, 0.35, 0.0), numbers=1))
    assert (found.severity, found.basic_severity, found.columns) == ("low", "low", ("island",))
    assert found.sentence == (
        "island is 'Torgersen' in 35 % of the rows (20 % in the training data); 1 of 3 features drifted."
    )
    [term] = [term for term in found.evidence[0].terms if term.term == "levels"]
    assert term.moved is not None
    assert (term.moved.level, term.moved.was, term.moved.now) == ("Torgersen", 0.2, 0.35)
    assert term.value == pytest.approx(0.15)


def test_rows_that_moved_beside_it_are_told() -> None:
    found = verdict(table(500, (0.2, 0.45, 0.35, 0.0)))
    assert "island is 'Dream' in 20 % of the rows (50 % in the training data); 1" in found.sentence
    found = verdict(table(500, (0.1, 0.65, 0.05, 0.2)))
    assert ", 55 % of them moved to other levels in all; " in found.sentence


def test_levels_that_are_not_declared_are_said_so() -> None:
    found = verdict(table(500, (0.4, 0.3, 0.2, 0.1)))
    assert found.sentence.startswith(
        "island has levels that the model does not know in 10 % of the rows (none in the training data); "
    )


def test_a_large_move_is_high_and_a_truth_value_has_names() -> None:
    found = verdict(table(500, tagged=0.9))
    assert (found.severity, found.columns) == ("high", ("tagged",))
    assert found.sentence.startswith("tagged is 'true' in 90 % of the rows (40 % in the training data)")


def test_missing_values_are_one_alarm() -> None:
    frame = table(500).with_columns(
        pl.when(pl.int_range(pl.len()) % 5 == 0).then(float("nan")).otherwise("island").alias("island")
    )
    found = verdict(frame)
    [island, _] = found.evidence
    assert island.carried_by == "missing"
    assert found.sentence.startswith("island is missing in 20 % of the rows (0 % in the training data)")
    assert {term.term: term.level for term in island.terms} == {"missing": "medium", "levels": "none"}


def test_refused_rows_count_as_missing() -> None:
    found = verdict(table(200), Known(rejected=Rejected(rows=100, missing={"island": 100})))
    assert found.sentence.startswith("island is missing in 33.3 % of the rows")
    assert found.current["island"].missing == 100


def test_a_category_without_values() -> None:
    frame = table(100).with_columns(island=pl.lit(float("nan")))
    found = verdict(frame)
    assert (found.severity, found.columns) == ("high", ("island",))
    assert "0 of 100 current rows hold a value" in found.evidence[0].note


def test_codes_have_no_mean_anywhere() -> None:
    found = verdict(
        table(200, numbers=2), Known(earlier=[Earlier(verdict(table(60, numbers=2)).scores, True)])
    )
    told = {one.column: {term.term for term in one.terms} for one in found.evidence}
    assert told["island"] == {"missing", "levels", "recent"}
    assert {"mean", "std", "shape", "range"} <= told["x0"]
    written = {one.column: one.model_dump(mode="json")["terms"] for one in found.evidence}
    assert [term["term"] for term in written["island"] if "moved" in term] == ["levels", "recent"]
    assert not any("moved" in term for term in written["x0"])
    # The joint term is about the two numbers.
    assert [one.column for one in found.whole] == ["x0 and x1"]
    assert found.current["island"].mean is None
    assert found.scores["island"].levels == {"Dream": 100, "Biscoe": 60, "Torgersen": 40}


def course(batches: Sequence[pl.DataFrame]) -> list[DriftVerdict]:
    earlier: list[Earlier] = []
    found = []
    for batch in batches:
        found.append(verdict(batch, Known(earlier=tuple(earlier))))
        earlier.append(Earlier(found[-1].scores, found[-1].severity != "insufficient"))
    return found


def test_small_batches_of_categories_are_judged_together() -> None:
    first, second = course([table(15, (0.2, 0.2, 0.6, 0.0))] * 2)
    assert first.severity == "insufficient"
    assert second.severity == "medium"
    assert second.sentence == (
        "island is 'Torgersen' in 60 % of the rows (20 % in the training data), "
        "together with the 1 small batch before; 1 of 2 features drifted."
    )
    [quiet] = course([table(15), table(15)])[1:]
    assert quiet.severity == "none"
    assert "together with the 1 small batch before" in quiet.sentence


def test_a_slow_change_shows_over_the_last_batches() -> None:
    found = course([table(100, (0.4, 0.3, 0.3, 0.0))] * 10)
    assert found[0].severity == "none"
    assert found[-1].evidence[0].carried_by == "recent"
    assert found[-1].sentence.startswith(
        "island is 'Torgersen' in 30 % of the rows (20 % in the training data) over the model's last batches;"
    )


def test_a_column_of_numbers_is_not_compared_with_a_category() -> None:
    frame = table(100)
    with pytest.raises(
        DataRejected, match="island, tagged: a category in one of the tables, numbers in the other"
    ):
        judge(side(frame), Side(of_frame(frame, frame.columns), frame))


def test_batches_that_spread_widen_the_noise() -> None:
    batch = table(500, (0.35, 0.3, 0.35, 0.0))
    assert verdict(batch, Known(spread=0.5)).severity == "none"
