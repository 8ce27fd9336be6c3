"""The backtest: error rates of the whole report, what it injects, how it counts; it is Evidently's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from iris_core.drift.backtest.detections import DETECTIONS, Detection
from iris_core.drift.backtest.plot import picture
from iris_core.drift.backtest.populations import (
    CATEGORIES,
    CLASS,
    Population,
    built_in,
    of_distribution,
    of_table,
)
from iris_core.drift.backtest.rates import Case, Rounds, cell, delay, pairs
from iris_core.drift.backtest.sequences import Course, play
from iris_core.drift.backtest.shifts import NO_DRIFT, Shift, shiftable, shifted
from iris_core.drift.statistics import of_frame
from iris_core.drift.stattests import defaults, library_defaults
from iris_core.drift.thresholds import rank
from iris_core.errors import DataRejected

pytestmark = [pytest.mark.unit, pytest.mark.slow]

OURS_ONLY = Rounds(rounds=100, baseline_rounds=0, compared=0)


@pytest.fixture(scope="module")
def normal() -> Population:
    return built_in("normal")


@pytest.mark.parametrize(("reference", "current"), [(120, 30), (500, 100), (120, 1000)])
def test_the_whole_report_rarely_alarms_without_drift(
    normal: Population, reference: int, current: int
) -> None:
    # Seeded. At a true rate of 5 % more than 10 of 100 has probability 1 %; Evidently's default is above 20.
    assert cell(normal, Case(NO_DRIFT, reference, current), OURS_ONLY).alarms <= 0.10


def test_the_whole_report_sees_what_it_must(normal: Population) -> None:
    assert cell(normal, Case(Shift("mean", 0.5), 500, 100), OURS_ONLY).alarms >= 0.90
    assert cell(normal, Case(Shift("mean", 0.2), 500, 1000), OURS_ONLY).alarms >= 0.72


@pytest.mark.parametrize("reference", [120, 5000])
def test_evidentlys_functions_give_what_its_report_gives(normal: Population, reference: int) -> None:
    for old, new in pairs(normal, Case(Shift("mean", 0.3), reference, 100), 2, 3):
        assert defaults(old, new, [CLASS]) == library_defaults(old, new, normal.features, [CLASS])


def test_the_baseline_stands_beside(normal: Population) -> None:
    found = cell(normal, Case(NO_DRIFT, 5000, 30), Rounds(rounds=20, baseline_rounds=20, compared=0))
    assert found.alarms <= 0.15
    assert found.evidently_any is not None
    assert found.evidently_any.share == 1.0


@pytest.mark.parametrize(
    ("shift", "column", "was", "now"),
    [
        (Shift("mean", 0.5), "sepal_length", 0.0, 0.5),
        (Shift("scale", 2.0), "sepal_length", 0.0, 0.0),
    ],
)
def test_values_are_moved(normal: Population, shift: Shift, column: str, was: float, now: float) -> None:
    frame = normal.table(np.random.default_rng(1), 20_000)
    moved = of_frame(shifted(frame, shift, normal, 0, np.random.default_rng(2)), normal.features)
    before = of_frame(frame, normal.features)
    assert before[column].mean == pytest.approx(was, abs=0.05)
    assert moved[column].mean == pytest.approx(now, abs=0.05)
    factor = shift.size if shift.kind == "scale" else 1.0
    assert moved[column].std == pytest.approx((before[column].std or 0) * factor, rel=0.01)
    assert moved["petal_width"] == before["petal_width"]


def test_rows_are_changed_by_share() -> None:
    iris = built_in("iris")
    frame = iris.table(np.random.default_rng(1), 9_000)
    made = {
        kind: shifted(frame, Shift(kind, 0.3), iris, 1, np.random.default_rng(2))
        for kind in ("missing", "mix", "label")
    }
    assert made["missing"]["sepal_width"].null_count() / 9_000 == pytest.approx(0.3, abs=0.02)
    for kind in ("mix", "label"):
        share = (made[kind][CLASS] == "setosa").mean()
        assert share == pytest.approx(1 / 3 + 0.3 * 2 / 3, abs=0.03)
        assert made[kind].height == 9_000
    assert made["mix"].drop(CLASS).equals(frame.drop(CLASS))
    lengths = [float(np.mean(one["petal_length"].to_numpy())) for one in (made["label"], frame)]
    assert lengths[0] < lengths[1] - 0.4


@pytest.mark.parametrize("family", CATEGORIES)
def test_reports_on_categories_rarely_alarm_without_drift(family: str) -> None:
    options = Rounds(rounds=60, baseline_rounds=0, compared=0)
    # At a true rate of 5 % more than 8 of 60 has probability 0.3 %.
    assert cell(built_in(family), Case(NO_DRIFT, 120, 100), options).alarms <= 8 / 60


@pytest.mark.parametrize("family", ["categories_8", "levels_and_numbers"])
def test_a_level_with_more_rows_is_seen(family: str) -> None:
    options = Rounds(rounds=40, baseline_rounds=0, compared=0)
    assert cell(built_in(family), Case(Shift("level", 0.15), 500, 500), options).alarms >= 0.85


def test_a_level_gets_more_of_the_rows_that_have_a_value() -> None:
    population = built_in("categories_missing")
    frame = population.table(np.random.default_rng(1), 20_000)
    for turn, name in enumerate(population.features):
        moved = shifted(frame, Shift("level", 0.15), population, turn, np.random.default_rng(2))
        before, after = (of_frame(one, population.features, population.codes) for one in (frame, moved))
        assert before[name].missing == after[name].missing
        gained = {
            level: (after[name].levels or {}).get(level, 0) / after[name].count - rows / before[name].count
            for level, rows in (before[name].levels or {}).items()
        }
        assert max(gained.values()) == pytest.approx(0.15, abs=0.015)
        assert sum(gain > 0.002 for gain in gained.values()) == 1
        assert {other for other in before if before[other] != after[other]} == {name}


def test_mean_and_scale_move_numbers_only() -> None:
    beside = built_in("levels_and_numbers")
    frame = beside.table(np.random.default_rng(1), 100)
    for turn in range(8):
        moved = shifted(frame, Shift("mean", 1.0), beside, turn, np.random.default_rng(2))
        changed = [name for name in beside.features if not moved[name].equals(frame[name])]
        assert changed == [beside.numbers[turn % 4]]
    assert shiftable(built_in("categories_8"), "mean") == ()
    assert shiftable(built_in("normal"), "level") == ()


def test_evidentlys_functions_give_what_its_report_gives_of_categories() -> None:
    beside = built_in("levels_and_numbers")
    categories = [*beside.categories, CLASS]
    for old, new in pairs(beside, Case(Shift("level", 0.3), 500, 100), 2, 3):
        assert defaults(old, new, categories) == library_defaults(old, new, beside.numbers, categories)


def test_a_table_with_categories_is_a_population() -> None:
    frame = pl.DataFrame(
        {"x": [0.0, 1.0, 1.0, None], "y": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "a", "b", "b"]}
    )
    population = of_table("mine", frame, ["x", "y"], "kind", {"x": ("no", "yes")})
    assert (population.numbers, population.categories) == (("y",), ("x",))
    assert population.shares["x"] == pytest.approx([1 / 3, 2 / 3], abs=0.01)
    severities = cell(population, Case(NO_DRIFT, 100, 50), Rounds(5, 2, 1)).severities
    assert sum(severities.values()) == 5


@pytest.mark.parametrize(
    ("flags", "batches"),
    [
        ([True] * 6, 2.0),
        ([True, False, True, False], 4.0),  # two of three at the third; one batch more is waiting
        ([True, False, False, True, False, False], None),
        ([], None),
    ],
)
def test_delay_counts_batches_until_two_of_three(flags: list[bool], batches: float | None) -> None:
    assert delay(flags, 3, 2) == batches


def test_the_same_seed_gives_the_same_cell(normal: Population) -> None:
    options = Rounds(rounds=5, baseline_rounds=2, compared=0, seed=3)
    case = Case(Shift("label", 0.3), 120, 30)
    assert cell(normal, case, options) == cell(normal, case, options)


def test_a_table_is_a_population_of_its_rows() -> None:
    frame = pl.DataFrame({"x": [1, 2, 3, 4], "kind": ["a", "a", "b", "b"]})
    population = of_table("mine", frame, ["x"], "kind")
    drawn = population.table(np.random.default_rng(0), 100)
    assert drawn.columns == ["x", CLASS]
    assert drawn.unique().height == 4
    assert (population.rows, population.classes) == (4, ("a", "b"))
    with pytest.raises(DataRejected, match="mine has no rows"):
        of_table("mine", frame.head(0), ["x"], "kind")


def test_a_picture(normal: Population, tmp_path: Path) -> None:
    options = Rounds(rounds=2, baseline_rounds=1, compared=0)
    cells = [cell(normal, Case(shift, 120, 30), options) for shift in (NO_DRIFT, Shift("mean", 0.5))]
    picture(cells, tmp_path / "rates.png", "normal")
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")


def test_models_that_keep_their_reference(normal: Population) -> None:
    course = Course(reference=60, batch=30, batches=4)
    found = play(normal, course, 3, Rounds(seed=1))
    assert (found.models, found.alerted, found.share) == (3, 0, 0.0)


def test_a_model_whose_batches_drift_alerts() -> None:
    """Each table that is drawn lies higher than the one before: so does every batch than its reference."""
    drawn = iter(range(100))
    rising = of_distribution("rising", lambda rng, n: rng.standard_normal((n, 4)) + 3 * next(drawn))
    assert play(rising, Course(reference=60, batch=30, batches=3), 2, Rounds(seed=1)).share == 1.0


@pytest.mark.parametrize("detection", DETECTIONS, ids=lambda one: one.name)
def test_what_must_be_seen_is_seen(detection: Detection) -> None:
    assert rank(detection.play(np.random.default_rng(1))) >= rank(detection.least)
