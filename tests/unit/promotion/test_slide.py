"""What was lost since the best earlier version, step by step, and which version that is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from iris_core.ledger.records.gate import Champion, GateEvidence, Interval, Pairs, Slide
from iris_core.models.holdout import Part
from iris_core.promotion.answers import Answers
from iris_core.promotion.gate import gate_verdict
from iris_core.promotion.slide import TableAnswers, best_of, slide_of
from tests.unit.promotion.test_gate import evidence, failed, one

pytestmark = pytest.mark.unit

MARGIN = 0.02


def table(seed: int, rows: int = 100) -> Part:
    values = np.random.default_rng(seed).normal(size=rows)
    return Part(pd.DataFrame({"x": values}), pd.Series(["b", "a"] * (rows // 2)))


def answers(part: Part, wrong: int, seen: int = 0) -> TableAnswers:
    """To a table: `wrong` of its last rows get the other class, the first ones were trained on."""
    labels = part.labels.to_numpy(str)
    is_wrong = np.arange(len(part)) >= len(part) - wrong
    other = np.where(labels == "a", "b", "a")
    return TableAnswers(part, Answers(np.where(is_wrong, other, labels)), np.arange(len(part)) < seen)


def slide(part: Part, lost: int, before: tuple[Slide, ...] = (), seen: int = 0) -> Slide | None:
    ours, best = answers(part, lost, seen), answers(part, 0)
    return slide_of("accuracy", MARGIN, (2, ours), (1, best), before)


def found(part: Part, lost: int, before: tuple[Slide, ...] = ()) -> Slide:
    measured = slide(part, lost, before)
    assert measured
    return measured


class TestSlide:
    def test_what_one_table_does_not_show_several_do(self) -> None:
        before: tuple[Slide, ...] = ()
        shown = []
        for seed in range(4):
            before = (found(table(seed), 3, before), *before)
            shown.append(before[0].is_too_long)
        assert shown == [False, False, True, True]
        assert (before[0].tables, before[0].rows, before[0].all_rows) == (4, 100, 400)
        assert before[0].all_gain == pytest.approx(-0.03)

    def test_a_table_that_holds_the_same_rows_counts_once(self) -> None:
        first = found(table(1), 3)
        grown = table(1).followed_by(table(2))
        again = found(grown, 3, (first,))
        assert (again.tables, again.all_rows) == (1, 200)

    def test_a_loss_within_the_margin_is_no_matter_how_sure(self) -> None:
        sure = found(table(1, 20_000), 300)
        assert sure.difference.high < 0
        assert not sure.is_too_long

    def test_rows_that_either_was_trained_on_are_left_out(self) -> None:
        part = table(1)
        measured = slide(part, 3, seen=60)
        assert measured
        assert measured.rows == 40
        assert measured.gain == pytest.approx(-3 / 40)
        assert slide(part, 3, seen=90) is None
        assert slide_of("accuracy", MARGIN, (2, None), (1, answers(part, 0)), ()) is None

    def test_in_another_metric(self) -> None:
        part = Part(table(1).features, pd.Series(["a"] * 90 + ["b"] * 10))
        ours, best = answers(part, 9), answers(part, 0)
        measured = slide_of("balanced_accuracy", MARGIN, (2, ours), (1, best), ())
        assert measured
        assert measured.gain == pytest.approx(-0.45)
        assert measured.difference.high < -0.2


@pytest.mark.parametrize(("ours_wrong", "passed"), [((0, 1), False), ((), True)])
def test_after_a_slide_only_a_step_up_passes(ours_wrong: tuple[int, ...], passed: bool) -> None:
    """The champion has ten of 24 rows wrong; version 1 knows them all, and so does one challenger."""
    long = found(table(1), 10)
    champion_wrong = (0, 1) if ours_wrong else tuple(range(10))
    given = evidence(ours_wrong, champion_wrong).model_copy(update={"slide": long})
    verdict = gate_verdict(given)
    assert failed(verdict) == (set() if passed else {"slide"})
    assert "the champions since version 1 have lost more than the margin" in one(verdict, "slide")
    assert ("go back to version 1 (iris rollback)" in one(verdict, "slide")) is not passed


def compared_with(version: int, better: int, worse: int) -> Champion:
    low = 0.01 if better > 3 * worse else -0.2
    return Champion(
        version=version,
        run_id="run",
        accuracy=0.8,
        challenger_accuracy=0.8 + (better - worse) / 100,
        pairs=Pairs(rows=100, better=better, worse=worse),
        difference=Interval(low=low, high=0.3, level=0.95),
        margin=MARGIN,
        rows_seen=0,
        compared_on="unseen rows",
        detectable_loss=0.1,
    )


class TestBest:
    """Version 1 is the first; what the others were compared with says whether they are better."""

    SOUND: GateEvidence = evidence()

    def scored(self, low: float, high: float) -> GateEvidence:
        interval = Interval(low=low, high=high, level=0.95)
        middle = (low + high) / 2
        return self.SOUND.model_copy(update={"accuracy": middle, "accuracy_interval": interval})

    def test_a_lucky_holdout_does_not_make_a_version_the_best(self) -> None:
        first = self.scored(0.7, 0.9)
        lucky = self.scored(0.88, 1.0).model_copy(update={"champion": compared_with(1, 4, 3)})
        assert best_of([(1, first), (2, lucky)]) == 1

    def test_who_is_shown_to_be_better_is(self) -> None:
        first = self.scored(0.7, 0.9)
        better = first.model_copy(update={"champion": compared_with(1, 20, 1)})
        worse = first.model_copy(
            update={"champion": compared_with(2, 0, 3), "anchor": compared_with(2, 0, 3)}
        )
        assert best_of([(1, first), (2, better), (3, worse)]) == 2

    def test_without_a_comparison_the_scores_tell(self) -> None:
        assert best_of([(1, self.scored(0.6, 0.8)), (2, self.scored(0.75, 0.9))]) == 2
        assert best_of([(1, self.scored(0.6, 0.8)), (2, self.scored(0.65, 0.9))]) == 1

    def test_several_small_steps_up_are_seen_on_the_whole_table(self) -> None:
        first = self.scored(0.7, 0.9)
        up = slide_of("accuracy", MARGIN, (2, answers(table(1), 0)), (1, answers(table(1), 20)), ())
        step = first.model_copy(update={"champion": compared_with(1, 4, 3)})
        later = first.model_copy(
            update={"champion": compared_with(2, 3, 3), "anchor": compared_with(1, 5, 3), "slide": up}
        )
        assert best_of([(1, first), (2, step), (3, later)]) == 2
