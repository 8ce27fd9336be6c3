"""A model's decisions about rows of features.

Any scikit-learn classifier decides by its own `predict`. A linear one is evaluated as a polars expression,
without scikit-learn's copies: a pipeline of scalers, imputers and one-hot encoders before a linear classifier
decides by `argmax(W·x + b)` of the columns that it makes (`models.design`).
Folding the scalers into W and b changes the order of summation, so a score may differ from scikit-learn's in
its last bits. The model itself decides the rows whose two best scores are closer together than the bound on
that difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, isnan
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from iris_core.errors import ConfigError
from iris_core.models.design import Derived, Design, design_of, steps_of

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

Codes = NDArray[np.int32]
CODE = "code"
_CLOSE = "close"
ROUNDINGS = 16
"""Assumed rounding errors of each product. The two sums and the folding round it fewer times than this."""
ASKED_ROWS, ASKED_NUMBERS = 5_000, 1_000_000
"""A model is asked for so many rows at a time, or for more whose columns hold at most so many numbers where
it has most of them: its steps and layers make new ones, and each call takes some milliseconds."""
SINGLE = float(np.finfo(np.float32).max)
SMALLEST = 1e-280
"""Added to the bound, because products as small as this lose relative precision."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Decided:
    """Each row's class, as its place among the classes, and each class's probability where they are wanted.

    `codes` has shape (rows,), `probabilities` has shape (rows, classes).
    """

    codes: Codes
    probabilities: NDArray[np.float64] | None = None


class Decider:
    """A classifier over frames of Float64 features, finite or NaN where a value is missing and may be.

    :param model: a fitted scikit-learn classifier.
    :param names: the features in the schema's order; used unless the model remembers the order of its
        columns.
    :param probabilities: also compute each class's probability.
    :param fast: use the expression where the model is linear.
    :raises ConfigError: the model has no classes, has other columns, or lacks the wanted probabilities.
    """

    def __init__(
        self, model: ClassifierMixin, names: Sequence[str], probabilities: bool = False, fast: bool = True
    ) -> None:
        known = getattr(model, "feature_names_in_", None)
        self._model: Any = model
        self._has_names = known is not None
        self.names = tuple(names) if known is None else tuple(map(str, known))
        self._labels = getattr(model, "classes_", None)
        self._check(names, probabilities)
        self.classes = tuple(str(label) for label in self._labels)  # type: ignore[union-attr]
        self._known = pa.array(self._labels)
        self._with_probabilities = probabilities
        self.linear: Linear | None = linear(model, self.names) if fast else None
        self._widest = max(len(self.names), *map(_width, steps_of(model)))

    def _check(self, names: Sequence[str], probabilities: bool) -> None:
        kind = type(self._model).__name__
        if self._labels is None:
            raise ConfigError(f"{kind} has no classes_: only a scikit-learn classifier can score.")
        if set(self.names) != set(names):
            raise ConfigError(
                f"The model wants the columns {', '.join(self.names)}; project.json has {', '.join(names)}. "
                "Stage a model of this table, or correct project.json."
            )
        if probabilities and not hasattr(self._model, "predict_proba"):
            raise ConfigError(
                f"{kind} gives no probabilities. Unset PREDICTION_PROBABILITIES, or stage another model."
            )

    def decide(self, features: pl.DataFrame) -> Decided:
        """Decide the class of each row, in row order."""
        chosen = features.select(self.names)
        codes = self._codes(chosen)
        if not self._with_probabilities:
            return Decided(codes)
        shares = self._ask(self._model.predict_proba, chosen) if len(codes) else np.empty((0, 0))
        return Decided(codes, np.asarray(shares, dtype=np.float64))

    def _codes(self, features: pl.DataFrame) -> Codes:
        if not features.height:
            return np.empty(0, np.int32)
        if self.linear is None:
            return self._asked(features)
        codes, close = self.linear.decide(features)
        if close.size:
            codes = codes.copy()
            codes[close] = self._asked(features[close])
        return codes

    def _asked(self, features: pl.DataFrame) -> Codes:
        predicted = pa.array(self._ask(self._model.predict, features))
        found = pc.index_in(predicted.cast(self._known.type), value_set=self._known)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int32)

    def _ask(self, method: Callable[[Any], Any], features: pl.DataFrame) -> Any:
        """What a method of the model says of the rows, asked in parts of about the same size."""
        parts = ceil(features.height / max(ASKED_ROWS, ASKED_NUMBERS // self._widest))
        slices = features.iter_slices(ceil(features.height / parts))
        return np.concatenate([self._ask_part(method, part) for part in slices])

    def _ask_part(self, method: Callable[[Any], Any], features: pl.DataFrame) -> Any:
        try:
            return method(self._matrix(features))
        except ValueError:
            # Trees compare in single precision, and refuse a number that it cannot hold.
            held = features.select(pl.all().clip(-SINGLE, SINGLE))
            if held.equals(features):
                raise
            return method(self._matrix(held))

    def _matrix(self, features: pl.DataFrame) -> Any:
        """The features as the model was fitted: a pandas frame where it remembers names, else an array."""
        values = features.to_numpy(order="fortran")
        if not self._has_names:
            return values
        import pandas as pd

        return pd.DataFrame(values, columns=list(self.names), copy=False)


@dataclass(frozen=True, eq=False)
class Linear:
    """Computes scores `weights @ x + bias` of the columns x of a design; `spread` and `offset` bound their
    rounding errors.

    `|score error| <= units * eps * (spread · |x| + offset)` for every class. Shapes: `weights` (classes,
    columns), `bias` (classes,), `spread` (columns,).
    """

    blocks: tuple[Derived, ...]
    weights: Numbers
    bias: Numbers
    spread: Numbers
    offset: float

    def decide(self, features: pl.DataFrame) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Each row's class, as its place among the classes, and the places of rows too close to decide."""
        close = self._rounding(_extent(features))
        scores = features.select(self._score(row).alias(f"s{row}") for row in range(len(self.bias)))
        decided = scores.select(*_best(scores.columns, close))
        return decided[CODE].to_numpy(), np.flatnonzero(decided[_CLOSE].to_numpy())

    def _rounding(self, extent: dict[str, float]) -> float:
        largest = [size for block in self.blocks for size in block.largest(extent)]
        units = ROUNDINGS * (len(largest) + 4)
        size = float(np.dot(self.spread, largest)) + self.offset
        return 2 * units * float(np.finfo(np.float64).eps) * size + SMALLEST

    def _score(self, row: int) -> pl.Expr:
        score, place = pl.lit(float(self.bias[row])), 0
        for block in self.blocks:
            for part in block.score(self.weights[row, place : place + block.width]):
                score = score + part
            place += block.width
        return score


def _extent(features: pl.DataFrame) -> dict[str, float]:
    """The largest absolute value of each feature, whatever is missing; 0 if all of it is."""
    # polars leaves NaN out of minimum and maximum, unless there is nothing else.
    extremes: dict[str, tuple[Any, Any]] = {one.name: (one.min(), one.max()) for one in features}
    return {name: 0.0 if isnan(low) else max(abs(low), abs(high)) for name, (low, high) in extremes.items()}


def _best(scores: list[str], close: float) -> tuple[pl.Expr, pl.Expr]:
    """Place of the first best score; whether the second best is within `close`, or the gap not finite."""
    first, *others = map(pl.col, scores)
    best, second, code = first, pl.lit(float("-inf")), pl.lit(0, pl.Int32)
    for place, score in enumerate(others, start=1):
        better = score > best
        second = pl.max_horizontal(second, pl.min_horizontal(best, score))
        code = pl.when(better).then(pl.lit(place, pl.Int32)).otherwise(code)
        best = pl.max_horizontal(best, score)
    gap = best - second
    return code.alias(CODE), (~((gap > close) & gap.is_finite())).alias(_CLOSE)


def _width(step: Any) -> int:
    """The number of columns that a step takes, or that the widest layer of a neural network has."""
    layers: list[int] = [width for weights in getattr(step, "coefs_", ()) for width in weights.shape]
    return max([getattr(step, "n_features_in_", 0), *layers])


def linear(model: Any, names: Sequence[str]) -> Linear | None:
    """The linear form of a classifier; None where its `predict` does anything else.

    Only exact types are accepted: a subclass may decide in another way.

    :param model: the fitted classifier, or a pipeline that ends with it.
    :param names: the features, in the order in which the model takes them.
    """
    *steps, last = steps_of(model)
    design = design_of(steps, names) if _is_linear(last) else None
    return _folded(last, design) if design and len(design.factor) == last.coef_.shape[1] else None


def _folded(last: Any, design: Design) -> Linear | None:
    weights = last.coef_ * design.factor
    bias = last.coef_ @ design.term + last.intercept_
    spread = np.abs(weights).max(axis=0)
    offset = float((np.abs(last.coef_) @ design.moved + np.abs(last.intercept_)).max())
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        return None
    if len(weights) == 1:
        # Two classes: the second when the score is positive, which is a score against zero.
        weights, bias = np.vstack([np.zeros_like(weights), weights]), np.concatenate([[0.0], bias])
    return Linear(design.blocks, weights, bias, spread, offset)


def _is_linear(last: Any) -> bool:
    from sklearn.linear_model._base import LinearClassifierMixin

    own = type(last)
    coefficients = getattr(last, "coef_", None)
    return (
        getattr(own, "predict", None) is LinearClassifierMixin.predict
        and getattr(own, "decision_function", None) is LinearClassifierMixin.decision_function
        and isinstance(coefficients, np.ndarray)
        and coefficients.dtype == np.float64
        and coefficients.ndim == 2
        and len(last.classes_) == max(2, len(coefficients))
    )
