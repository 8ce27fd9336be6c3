"""The expression decides as `model.predict` does, and asks it where two scores are too close."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from iris_core.models.decide import Decider, linear
from tests.unit.scoring.conftest import TABLE, fitted

pytestmark = pytest.mark.unit

NAMES = list(TABLE.feature_names)
LINEAR = [
    LogisticRegression(max_iter=500),
    make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    make_pipeline(StandardScaler(with_mean=False), LinearSVC(max_iter=5000)),
    make_pipeline(StandardScaler(with_std=False), Perceptron()),
    make_pipeline(MinMaxScaler(), SGDClassifier(random_state=0)),
    make_pipeline(RobustScaler(), "passthrough", MaxAbsScaler(), LogisticRegression(max_iter=500)),
]
OTHERS = [
    RandomForestClassifier(5, random_state=0),
    DecisionTreeClassifier(random_state=0),
    RidgeClassifier(),
    make_pipeline(MinMaxScaler(clip=True), LogisticRegression(max_iter=500)),
]


def frame(values: Any) -> pl.DataFrame:
    return pl.DataFrame(np.asarray(values, dtype=np.float64), schema=NAMES)


def decided(model: Any, values: pl.DataFrame, **how: Any) -> list[str]:
    decider = Decider(model, NAMES, **how)
    return [decider.classes[code] for code in decider.decide(values).codes]


@pytest.mark.parametrize("model", LINEAR, ids=repr)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("size", [1.0, 1e-6, 1e6])
def test_as_predict_says(model: Any, classes: int, size: float) -> None:
    model = fitted(model, classes=classes)
    assert linear(model, NAMES) is not None
    values = np.random.default_rng(1).uniform(-9, 9, (4000, 4)) * size
    assert decided(model, frame(values)) == model.predict(pd.DataFrame(values, columns=NAMES)).tolist()


@pytest.mark.parametrize("model", OTHERS, ids=repr)
def test_any_other_model_is_asked(model: Any) -> None:
    model = fitted(model)
    assert linear(model, NAMES) is None
    values = np.random.default_rng(1).uniform(0, 8, (500, 4))
    assert decided(model, frame(values)) == model.predict(pd.DataFrame(values, columns=NAMES)).tolist()


def test_a_subclass_is_not_taken_for_linear() -> None:
    class Contrary(LogisticRegression):
        def predict(self, X: Any) -> Any:  # noqa: N803
            return np.full(len(X), "setosa")

    assert linear(fitted(Contrary(max_iter=500)), NAMES) is None


def on_the_border(model: Any, seed: int, count: int = 200) -> Any:
    """Points at which the two best scores are equal but for rounding."""
    random = np.random.default_rng(seed)
    form = linear(model, NAMES)
    assert form is not None
    points = random.uniform(-5, 9, (count, 4))
    for place in range(count):
        scores = form.weights @ points[place] + form.bias
        best, second = np.argsort(scores)[-1:-3:-1]
        normal = form.weights[best] - form.weights[second]
        points[place] -= normal * (scores[best] - scores[second]) / (normal @ normal)
    return points


@pytest.mark.parametrize("model", LINEAR[:4], ids=repr)
@pytest.mark.parametrize("classes", [2, 3])
def test_near_ties(model: Any, classes: int) -> None:
    model = fitted(model, classes=classes)
    points = on_the_border(model, seed=2)
    near = points * (1 + np.random.default_rng(3).choice([0, 1e-16, -2e-16, 1e-15], points.shape))
    form = linear(model, NAMES)
    assert form is not None
    _, close = form.decide(frame(near))
    assert len(close) > 100
    wanted = model.predict(pd.DataFrame(near[close], columns=NAMES)).tolist()
    told = decided(model, frame(near))
    assert [told[row] for row in close] == wanted


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4), min_size=1),
    st.integers(0, 3),
)
def test_any_finite_numbers(values: list[list[float]], seed: int) -> None:
    """Whatever is not asked of the model is decided as in exact arithmetic."""
    from fractions import Fraction

    model = fitted(seed=seed)
    form = linear(model, NAMES)
    assert form is not None
    with np.errstate(all="ignore"):
        codes, close = form.decide(frame(values))
    scaler, last = model[0], model[1]
    for place in sorted(set(range(len(values))) - set(close.tolist())):
        scores = []
        for weights, bias in zip(last.coef_, last.intercept_, strict=True):
            terms = (
                Fraction(weight) * (Fraction(x) - Fraction(mean)) / Fraction(scale)
                for weight, x, mean, scale in zip(
                    weights, values[place], scaler.mean_, scaler.scale_, strict=True
                )
            )
            scores.append(sum(terms, Fraction(bias)))
        assert scores[codes[place]] == max(scores)


def test_columns_in_the_models_order() -> None:
    values = pl.DataFrame(np.random.default_rng(1).uniform(0, 8, (50, 4)), schema=NAMES)
    mixed = values.select(NAMES[::-1])
    model = fitted()
    assert decided(model, mixed) == decided(model, values) == decided(model, mixed, fast=False)


def test_integer_labels() -> None:
    model = LogisticRegression(max_iter=500).fit(np.arange(40.0).reshape(10, 4), [1, 2] * 5)
    values = frame(np.arange(40.0).reshape(10, 4))
    assert decided(model, values) == [str(label) for label in model.predict(values.to_numpy())]


@pytest.mark.parametrize("probabilities", [False, True])
def test_a_tree_decides_about_numbers_that_single_precision_does_not_hold(probabilities: bool) -> None:
    model = fitted(RandomForestClassifier(5, random_state=0))
    values = np.random.default_rng(1).uniform(0, 8, (50, 4))
    huge = values.copy()
    huge[7], huge[8, 2] = 1e300, -1e300
    as_large = np.clip(huge, -1e30, 1e30)
    found = decided(model, frame(huge), probabilities=probabilities)
    assert found == model.predict(pd.DataFrame(as_large, columns=NAMES)).tolist()


class Told:
    """A classifier that notes how many rows it is asked for."""

    asked: ClassVar[list[int]] = []

    def predict(self, *given: Any) -> Any:
        self.asked.append(len(given[0]))
        return super().predict(*given)  # type: ignore[misc]


class Tree(Told, DecisionTreeClassifier):
    pass


class Network(Told, MLPClassifier):
    pass


@pytest.mark.parametrize(
    ("columns", "steps", "asked"),
    [
        (4, [Tree(random_state=0)], [150_001]),
        (40, [Tree(random_state=0)], [21_429] * 6 + [21_427]),
        (4, [PolynomialFeatures(3), Tree(random_state=0)], [25_001] * 5 + [24_996]),
        (2, [PolynomialFeatures(30), Tree(random_state=0)], [4_839] * 30 + [4_831]),
        (4, [Network((8, 50), max_iter=400, random_state=0)], [18_751] * 7 + [18_744]),
    ],
    ids=["narrow", "wide", "widened", "widened much", "a network"],
)
def test_a_model_is_asked_in_parts_by_where_it_is_widest(
    columns: int, steps: list[Any], asked: list[int]
) -> None:
    Told.asked.clear()
    names = [f"c{number}" for number in range(columns)]
    values = np.random.default_rng(1).uniform(-1, 1, (150_001, columns))
    model = make_pipeline(*steps).fit(values[:200], np.where(values[:200, 0] > 0, "yes", "no"))
    codes = Decider(model, names).decide(pl.DataFrame(values, schema=names)).codes
    assert Told.asked == asked
    assert (model.classes_[codes] == np.where(values[:, 0] > 0, "yes", "no")).mean() > 0.9
