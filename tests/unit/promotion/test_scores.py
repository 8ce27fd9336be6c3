"""Scores agree with scikit-learn's metrics, and their intervals hold what they promise."""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from iris_core.promotion.answers import Answers, answers_of, blind_answers
from iris_core.promotion.scores import compared, score_and_interval, score_loss, score_of
from iris_core.settings.project import CostMatrix, Metric

pytestmark = pytest.mark.unit

COSTS = CostMatrix(cost={"a": {"b": 4}, "b": {"a": 2}})
METRICS: list[Metric] = ["accuracy", "balanced_accuracy", "macro_f1", "log_loss", COSTS]


def turned(answers: Answers, certainty: float = 1.0) -> Answers:
    """The answers to the rows before, with so much of their certainty."""
    assert answers.certainty is not None
    return Answers(np.roll(answers.named, 1), np.roll(answers.certainty, 1) * certainty)


def drawn(rows: int, right: float, seed: int = 1) -> tuple[Any, Answers]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(["a", "b", "c"], rows, p=[0.7, 0.2, 0.1])
    certain = rng.uniform(0.05, 0.95, rows)
    named = np.where(rng.random(rows) < right, labels, rng.choice(["a", "b", "c"], rows))
    return labels, Answers(named, certain)


@pytest.mark.parametrize("seed", range(3))
class TestKnownValues:
    def test_of_classes(self, seed: int) -> None:
        labels, answers = drawn(200, 0.6, seed)
        assert score_of("accuracy", labels, answers) == pytest.approx(
            metrics.accuracy_score(labels, answers.named)
        )
        assert score_of("balanced_accuracy", labels, answers) == pytest.approx(
            metrics.balanced_accuracy_score(labels, answers.named)
        )
        assert score_of("macro_f1", labels, answers) == pytest.approx(
            metrics.f1_score(labels, answers.named, average="macro")
        )

    def test_of_log_loss(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        chances = rng.dirichlet([1, 1, 1], 50)

        class Sure:
            classes_ = np.array(["a", "b", "c"])

            def predict(self, features: Any) -> Any:
                return self.classes_[chances.argmax(1)]

            def predict_proba(self, features: Any) -> Any:
                return chances

        labels = rng.choice(["a", "b", "c"], 50)
        model: Any = Sure()
        found = score_of("log_loss", labels, answers_of(model, model, labels, "log_loss"))
        assert found == pytest.approx(exp(-metrics.log_loss(labels, chances, labels=["a", "b", "c"])))

    def test_of_costs(self, seed: int) -> None:
        labels, answers = drawn(100, 0.5, seed)
        wrong = {("a", "b"): 4, ("b", "a"): 2}
        pairs = zip(labels, answers.named, strict=True)
        cost = sum(wrong.get((label, named), label != named) for label, named in pairs)
        assert score_of(COSTS, labels, answers) == pytest.approx(1 - cost / 100 / 4)


@pytest.mark.parametrize("metric", METRICS, ids=str)
class TestComparisons:
    def test_the_same_again_is_the_same(self, metric: Metric) -> None:
        labels, answers = drawn(80, 0.7)
        other = turned(answers)
        assert compared(metric, labels, answers, other, 0.95) == compared(
            metric, labels, answers, other, 0.95
        )

    def test_better_and_worse_are_mirrored(self, metric: Metric) -> None:
        labels, answers = drawn(300, 0.9)
        worse = turned(answers, 0.5)
        there, back = (compared(metric, labels, *pair, 0.95) for pair in ((answers, worse), (worse, answers)))
        assert there.difference.low > 0 > back.difference.high
        assert there.first == back.second > there.second
        assert there.p_better < 0.001 < 0.5 < there.p_worse

    def test_an_interval_holds_its_score(self, metric: Metric) -> None:
        labels, answers = drawn(300, 0.8)
        found, interval = score_and_interval(metric, labels, answers, 0.95)
        assert interval.low < found < interval.high
        assert interval.high - interval.low < 0.2

    def test_equal_models_are_rarely_told_apart(self, metric: Metric) -> None:
        """95 %: of a hundred pairs of equal models on few rows about two are shown to be worse."""
        shown = 0
        for seed in range(100):
            labels, first = drawn(60, 0.8, seed)
            _, other = drawn(60, 0.8, seed + 1000)
            rng = np.random.default_rng(seed + 5000)
            named = np.where(rng.random(60) < 0.8, labels, rng.choice(["a", "b", "c"], 60))
            second = Answers(named, other.certainty)
            shown += compared(metric, labels, first, second, 0.95).difference.high < 0
        assert shown <= 8


@pytest.mark.parametrize("metric", ["balanced_accuracy", "macro_f1"])
@pytest.mark.parametrize("right", [0, 2, 40])
def test_an_interval_holds_its_score_where_each_class_has_one_row(metric: Metric, right: int) -> None:
    labels = np.array([f"c{number:02}" for number in range(40)])
    answers = Answers(np.where(np.arange(40) < right, labels, "c00"))
    found, interval = score_and_interval(metric, labels, answers, 0.95)
    assert interval.low <= found <= interval.high
    paired = compared(metric, labels, answers, Answers(np.roll(labels, 1)), 0.95)
    assert paired.difference.low <= paired.first - paired.second <= paired.difference.high


def test_without_any_difference_the_interval_still_has_a_width() -> None:
    labels = np.array(["a"] * 20 + ["b"] * 4)
    found = compared("balanced_accuracy", labels, Answers(labels), Answers(labels), 0.95).difference
    assert found.low < -0.05
    assert found.high == pytest.approx(-found.low, abs=0.03)


def test_who_sees_no_feature_names_the_majority_or_what_costs_least() -> None:
    learned = np.array(["a"] * 6 + ["b"] * 4)
    assert blind_answers(learned, learned, "accuracy").named[0] == "a"
    dear = CostMatrix(cost={"b": {"a": 10}})
    assert blind_answers(learned, learned, dear).named[0] == "b"
    assert blind_answers(learned, np.array(["a", "b", "c"]), "log_loss").certainty == pytest.approx(
        [0.6, 0.4, 0.0]
    )


class TestLateLabels:
    BEFORE = {"a": {"a": 180, "b": 2}, "b": {"a": 1, "b": 17}}  # noqa: RUF012 - nobody changes it

    def test_a_class_that_is_lost_is_seen_by_balanced_accuracy(self) -> None:
        now = {"a": {"a": 182}, "b": {"a": 14, "b": 4}}
        found = score_loss("balanced_accuracy", self.BEFORE, now, 0.04)
        assert (found.before, found.now) == pytest.approx(((180 / 182 + 17 / 18) / 2, (1 + 4 / 18) / 2))
        assert found.change.value == pytest.approx(found.before - found.now)
        assert found.change.chance < 0.001
        assert 0.05 < found.change.noise < 0.3

    def test_the_same_again_is_chance(self) -> None:
        found = score_loss("macro_f1", self.BEFORE, self.BEFORE, 0.04)
        assert found.change.value == 0
        assert found.change.chance > 0.3
