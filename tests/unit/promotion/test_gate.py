"""The gate's verdicts on made-up answers, check by check."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier

from iris_core.ledger.records.gate import GateEvidence, Holdout
from iris_core.models.holdout import Part, Split
from iris_core.promotion.answers import Answers
from iris_core.promotion.columns import typical_of
from iris_core.promotion.gate import Verdict, gate_verdict
from iris_core.promotion.measurement import ChampionAnswers, Limits, measure_model
from iris_core.settings.features import Feature
from iris_core.settings.project import TableSchema

pytestmark = pytest.mark.unit

CLASSES = ("a", "b", "c")
TABLE = TableSchema(
    features=(Feature(name="x", min=0, max=10, unit="cm", typical_min=0.9, typical_max=1.1),),
    target="y",
    classes=CLASSES,
)
LIMITS = Limits(accuracy_threshold=0.1, margin=0.02)


class Rule(ClassifierMixin, BaseEstimator):
    """Reads the answer off the feature: 0, 1, 2 are a, b, c; of the holdout, `wrong` rows get the next class.

    Its clones, which are cross-validated, make no mistakes.
    """

    def __init__(self, wrong: tuple[int, ...] = ()) -> None:
        self.wrong = wrong

    def __sklearn_clone__(self) -> Rule:
        return Rule()

    def fit(self, features: pd.DataFrame, labels: Any) -> Rule:
        self.classes_ = np.unique(labels)
        return self

    def predict(self, features: pd.DataFrame) -> Any:
        codes = features["x"].round().to_numpy(int) % 3
        for row in self.wrong:
            codes[row] = (codes[row] + 1) % 3
        return np.asarray(CLASSES)[codes]


def part(each: int, classes: tuple[str, ...] = CLASSES) -> Part:
    labels = [name for name in classes for _ in range(each)]
    return Part(pd.DataFrame({"x": [float(CLASSES.index(name)) for name in labels]}), pd.Series(labels))


SOUND = Split(part(20), part(8))


def held(parts: Split) -> Holdout:
    return Holdout(
        object="s3://b/k",
        digest=parts.holdout.digest(),
        rows=len(parts.holdout),
        learned_rows=len(parts.learned),
        share=0.2,
        seed=1,
    )


def evidence(
    wrong: tuple[int, ...] = (),
    champion_wrong: tuple[int, ...] | None = None,
    parts: Split = SOUND,
    seen: Any = None,
    limits: Limits = LIMITS,
    model: Any = None,
) -> GateEvidence:
    champion = None
    if champion_wrong is not None:
        answers = Answers(Rule(champion_wrong).predict(parts.holdout.features))
        champion = ChampionAnswers(7, "run", answers, seen)
    model = model or Rule(wrong)
    return measure_model(TABLE, parts, held(parts), model, limits, champion)


def failed(verdict: Verdict) -> set[str]:
    return {check.name for check in verdict.checks if not check.passed}


def one(verdict: Verdict, name: str) -> str:
    [sentence] = [check.sentence for check in verdict.checks if check.name == name]
    return sentence


class TestSoundModels:
    def test_a_first_model_says_that_there_is_no_champion(self) -> None:
        verdict = gate_verdict(evidence())
        assert verdict.passed
        assert one(verdict, "champion") == "no champion to compare with: this is the first model"
        assert "accuracy 1.000 on 24 holdout rows is at least ACCURACY_THRESHOLD=0.1" in verdict.reason
        assert "95 % interval 0.86 to 1.00" in verdict.reason

    def test_the_same_evidence_gives_the_same_verdict_after_storage(self) -> None:
        stored = GateEvidence.model_validate_json(evidence((0,), (1, 2)).model_dump_json())
        assert gate_verdict(stored) == gate_verdict(evidence((0,), (1, 2)))


class TestThreshold:
    def test_below_it_is_refused(self) -> None:
        verdict = gate_verdict(evidence((0, 8), limits=Limits(0.95, 0.02)))
        assert failed(verdict) == {"threshold"}
        assert verdict.reason.startswith("accuracy 0.917 on 24 holdout rows is below ACCURACY_THRESHOLD=0.95")

    def test_reaching_it_is_enough(self) -> None:
        assert gate_verdict(evidence((0, 8, 16), limits=Limits(21 / 24, 0.02))).passed


class TestFloor:
    @pytest.mark.parametrize("named", CLASSES)
    def test_a_constant_answer_is_refused(self, named: str) -> None:
        model = DummyClassifier(strategy="constant", constant=named)
        model.fit(SOUND.learned.features, SOUND.learned.labels)
        verdict = gate_verdict(evidence(model=model))
        assert {"floor", "learnable", "classes"} <= failed(verdict)

    def test_it_is_a_paired_test_on_the_holdout(self) -> None:
        floor = evidence((0, 8)).floor
        assert (floor.majority, floor.majority_accuracy) == ("a", 1 / 3)
        assert (floor.pairs.better, floor.pairs.worse) == (15, 1)
        assert floor.p_value == pytest.approx(17 / 2**16)

    def test_a_holdout_too_small_to_show_it_is_refused_and_says_so(self) -> None:
        small = Split(part(20), part(2))
        verdict = gate_verdict(evidence(parts=small))
        assert failed(verdict) == {"floor"}
        assert "6 holdout rows are too few to show it, upload a larger table" in verdict.reason

    def test_a_bad_model_is_not_excused_by_the_size(self) -> None:
        model = DummyClassifier(strategy="constant", constant="a").fit(
            SOUND.learned.features, SOUND.learned.labels
        )
        large = Split(SOUND.learned, part(100))
        assert "too few" not in one(gate_verdict(evidence(parts=large, model=model)), "floor")


def rare(of_one_class: int, others: int, recognised: int) -> Any:
    """Evidence of a table where `b` is rare, about a model that names so many rows of it."""
    each = (of_one_class, others)
    names = tuple(name for name, rows in zip(("a", "b"), each, strict=True) for _ in range(rows))
    holdout = Part(pd.DataFrame({"x": [float(n == "b") for n in names]}), pd.Series(names))
    learned = Part(
        pd.concat([holdout.features] * 4, ignore_index=True),
        pd.concat([holdout.labels] * 4, ignore_index=True),
    )
    table = TABLE.model_copy(update={"classes": ("a", "b"), "features": (Feature(name="x", min=0, max=10),)})
    parts = Split(learned, holdout)
    model = Blind(others - recognised)
    return measure_model(table, parts, held(parts), model, LIMITS)


class Blind(Rule):
    """Names the majority class for the last rows, and is right about the others."""

    def __init__(self, blind: int) -> None:
        self.blind = blind
        self.wrong = ()

    def __sklearn_clone__(self) -> Blind:
        return Blind(self.blind)

    def predict(self, features: pd.DataFrame) -> Any:
        named = super().predict(features)
        return np.where(np.arange(len(named)) >= len(named) - self.blind, "a", named)


class TestImbalanced:
    """Of 80 rows 4 are of the rare class: not even flawless answers beat the majority class, p = 1/16."""

    def test_recognising_the_rare_class_is_enough(self) -> None:
        found = rare(76, 4, 4)
        assert found.floor.p_value == 1 / 16
        verdict = gate_verdict(found)
        assert verdict.passed
        assert "but classes are recognised beyond chance (exact test, p = 1.3e-06)" in verdict.reason

    def test_never_naming_it_is_not(self) -> None:
        verdict = gate_verdict(rare(76, 4, 0))
        assert {"floor", "classes"} <= failed(verdict)

    def test_with_a_single_row_of_it_the_rows_are_too_few(self) -> None:
        verdict = gate_verdict(rare(20, 1, 1))
        assert failed(verdict) == {"floor"}
        told = one(verdict, "floor")
        assert "21 holdout rows, 1 of them of another class than 'a', are too few to show it" in told


class TestLearnable:
    def test_labels_that_do_not_belong_to_their_rows(self) -> None:
        """The model answers the holdout well, but not from what it was given to learn."""
        shuffled = np.random.default_rng(3).permutation(SOUND.learned.labels.to_numpy())
        parts = Split(Part(SOUND.learned.features, pd.Series(shuffled)), SOUND.holdout)
        verdict = gate_verdict(evidence(parts=parts))
        assert failed(verdict) == {"learnable"}
        assert "were labels shuffled" in verdict.reason

    def test_too_few_rows_to_cross_validate(self) -> None:
        labels = pd.Series(["a", "b", "b", "c", "c"])
        learned = Part(pd.DataFrame({"x": [0.0, 1, 1, 2, 2]}), labels)
        found = evidence(parts=Split(learned, part(8)))
        assert found.learnable is None
        assert "fewer than two rows" in gate_verdict(found).reason


class TestClasses:
    def test_a_class_that_was_never_learned(self) -> None:
        verdict = gate_verdict(evidence(parts=Split(part(20, ("a", "b")), part(8))))
        assert "classes" in failed(verdict)
        assert "no rows of 'c' to learn from" in one(verdict, "classes")

    def test_a_class_that_is_never_recognised(self) -> None:
        verdict = gate_verdict(evidence(tuple(range(16, 24))))
        assert failed(verdict) == {"classes"}
        assert "not one row of 'c' was recognised" in verdict.reason

    def test_two_rows_may_be_missed_by_chance(self) -> None:
        holdout = Part(
            pd.concat([part(8, ("a", "b")).features, part(2, ("c",)).features], ignore_index=True),
            pd.concat([part(8, ("a", "b")).labels, part(2, ("c",)).labels], ignore_index=True),
        )
        assert gate_verdict(evidence((16, 17), parts=Split(part(20), holdout))).passed


class TestColumns:
    @pytest.mark.parametrize("spoilt", ["training", "holdout"])
    def test_another_unit_is_told_by_the_mean(self, spoilt: str) -> None:
        inches = Part(SOUND.learned.features / 2.54, SOUND.learned.labels)
        parts = Split(inches, SOUND.holdout) if spoilt == "training" else Split(SOUND.learned, inches)
        verdict = gate_verdict(evidence(parts=parts))
        assert "columns" in failed(verdict)
        told = one(verdict, "columns")
        assert f"the {spoilt} rows' mean of x is 0.39 cm, typically 0.9 to 1.1 cm" in told

    def test_every_class_weighs_the_same(self) -> None:
        """Many more rows of one class move the plain mean to 0.27, and not this one."""
        features = pd.concat([part(100, ("a",)).features, part(10, ("b", "c")).features], ignore_index=True)
        labels = pd.concat([part(100, ("a",)).labels, part(10, ("b", "c")).labels], ignore_index=True)
        assert gate_verdict(evidence(parts=Split(Part(features, labels), part(8)))).passed

    def test_a_class_of_one_row_moves_the_mean_by_chance(self) -> None:
        """Beyond 1.1, but by less than three standard errors of that row."""
        rng = np.random.default_rng(1)
        names = pd.Series(["a", *["b"] * 20, *["c"] * 20])
        values = rng.normal(1, 0.3, len(names))
        values[0] = 1.5
        learned = Part(pd.DataFrame({"x": values}), names)
        found = evidence(parts=Split(learned, part(8))).columns[0]
        assert found.mean > 1.1
        assert found.standard_error == pytest.approx(0.1, abs=0.03)
        assert found.is_typical

    def test_without_a_declaration_nothing_is_checked(self) -> None:
        bare = TABLE.model_copy(update={"features": (Feature(name="x", min=0, max=10),)})
        found = measure_model(bare, SOUND, held(SOUND), Rule(), LIMITS)
        assert "columns" not in {check.name for check in gate_verdict(found).checks}

    @pytest.mark.parametrize(("scale", "passed"), [(1.0, True), (1.4, True), (0.3, False), (2.0, False)])
    def test_undeclared_the_champions_training_rows_say_what_is_typical(
        self, scale: float, passed: bool
    ) -> None:
        """Their mean is 1 and their standard deviation 0.82: 0.75 of it is 0.62."""
        bare = TABLE.model_copy(update={"features": (Feature(name="x", min=0, max=10),)})
        scaled = Split(*(Part(rows.features * scale, rows.labels) for rows in (SOUND.learned, SOUND.holdout)))
        answers = Answers(Rule().predict(SOUND.holdout.features))
        champion = ChampionAnswers(7, "run", answers, None, typical_of(SOUND.learned))
        verdict = gate_verdict(measure_model(bare, scaled, held(scaled), Rule(), LIMITS, champion))
        assert ("columns" not in failed(verdict)) is passed
        assert "according to the champion's training rows" in one(verdict, "columns")


class TestChampion:
    def test_an_equal_one_is_accepted_and_the_width_is_told(self) -> None:
        verdict = gate_verdict(evidence((0,), (8,)))
        assert verdict.passed
        told = one(verdict, "champion")
        assert told.startswith(
            "not shown to be worse by more than the margin (a loss below 0.21 would not show"
        )
        assert "champion version 7" in told
        assert "on the same 24 holdout rows" in told

    @pytest.mark.parametrize(("lost", "passed"), [(4, True), (5, False)])
    def test_worse_beyond_chance_is_refused(self, lost: int, passed: bool) -> None:
        verdict = gate_verdict(evidence((0, 1, 8, 9, 16)[:lost], ()))
        assert ("champion" not in failed(verdict)) is passed

    def test_better_is_called_better(self) -> None:
        verdict = gate_verdict(evidence((), (0, 1, 8, 9, 16)))
        assert verdict.passed
        assert "better than champion version 7" in one(verdict, "champion")

    def test_on_many_rows_a_loss_within_the_margin_is_put_up_with(self) -> None:
        parts = Split(part(20), part(1000))
        lost = tuple(range(0, 3000, 60))
        told = gate_verdict(evidence(lost, (), parts=parts, limits=Limits(0.1, 0.03)))
        assert told.passed
        assert "not worse, within the margin, than" in one(told, "champion")
        verdict = gate_verdict(evidence(lost, (), parts=parts, limits=Limits(0.1, 0.01)))
        assert failed(verdict) == {"champion"}

    def test_one_class_given_up_for_another_is_refused(self) -> None:
        """As many right as before, but one class is lost."""
        parts = Split(part(20), part(30))
        verdict = gate_verdict(evidence(tuple(range(60, 80)), tuple(range(20)), parts=parts))
        assert failed(verdict) == {"recalls"}
        assert "worse than the champion at c (recall 0.33 against 1.00" in verdict.reason

    def test_rows_that_the_champion_was_trained_on_are_left_out(self) -> None:
        """It knows the answers to nine rows; on the others both are alike."""
        seen = np.arange(24) < 9
        found = evidence(tuple(range(5)), (), seen=seen).champion
        assert found is not None
        assert (found.compared_on, found.pairs.rows, found.rows_seen) == ("unseen rows", 15, 9)
        assert found.accuracy == found.challenger_accuracy == 1

    def test_with_too_few_others_all_rows_are_compared_and_that_is_said(self) -> None:
        seen = np.arange(24) < 10
        found = evidence((0,), (), seen=seen)
        assert found.champion is not None
        assert (found.champion.compared_on, found.champion.pairs.rows) == ("all rows", 24)
        assert "24 holdout rows, 10 of which it was trained on" in one(gate_verdict(found), "champion")

    @pytest.mark.parametrize(("lost", "passed"), [(20, True), (30, False)])
    def test_the_margin_is_for_all_steps_since_the_best_version(self, lost: int, passed: bool) -> None:
        """Of 1,200 rows the champion loses as many, and the best version none; 24 are the margin."""
        parts = Split(part(20), part(400))
        wrong = tuple(range(lost))
        rule = Rule(wrong)
        named = Answers(rule.predict(parts.holdout.features))
        best = Answers(Rule().predict(parts.holdout.features))
        champion, anchor = (
            ChampionAnswers(number, "run", answers, None) for number, answers in ((7, named), (3, best))
        )
        verdict = gate_verdict(
            measure_model(TABLE, parts, held(parts), rule, LIMITS, champion, anchor=anchor)
        )
        assert failed(verdict) == (set() if passed else {"anchor"})
        assert "worse by more than the margin than version 3, the best earlier one" in one(verdict, "anchor")

    def test_another_metric_is_declared(self) -> None:
        """The rare class is lost: three points of accuracy, and half of balanced accuracy."""
        labels = pd.Series(["a"] * 95 + ["b"] * 5)
        parts = Split(
            Part(pd.DataFrame({"x": [0.0] * 95 + [1.0] * 5}), labels),
            Part(pd.DataFrame({"x": [0.0] * 95 + [1.0] * 5}), labels),
        )
        table = TABLE.model_copy(
            update={"classes": ("a", "b"), "features": (Feature(name="x", min=0, max=10),)}
        )
        answers = Answers(Rule().predict(parts.holdout.features))
        champion = ChampionAnswers(7, "run", answers, None)
        limits = Limits(0.9, 0.02, "balanced_accuracy")
        found = measure_model(table, parts, held(parts), Rule((95, 96, 97, 98)), limits, champion)
        assert found.champion is not None
        assert found.score == pytest.approx(0.6)
        assert found.champion.gain == pytest.approx(-0.4)
        verdict = gate_verdict(found)
        assert {"threshold", "champion"} <= failed(verdict)
        told = "balanced accuracy score 0.600 on 100 holdout rows is below ACCURACY_THRESHOLD=0.9"
        assert told in verdict.reason

    def test_what_is_not_known_is_said(self) -> None:
        assert "which of them it was trained on is not known" in one(
            gate_verdict(evidence((), (), seen=None)), "champion"
        )
