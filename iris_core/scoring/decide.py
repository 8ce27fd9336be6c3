"""A model's decisions about rows of features.

Any scikit-learn classifier decides by its own `predict`; a linear one is evaluated as a polars expression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from iris_core.errors import ConfigError
from iris_core.scoring.linear import Linear, linear

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

Codes = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Decided:
    """Each row's class, as its place among the classes, and each class's probability where they are wanted.

    `codes` has shape (rows,), `probabilities` has shape (rows, classes).
    """

    codes: Codes
    probabilities: NDArray[np.float64] | None = None


class Decider:
    """A classifier over frames of finite Float64 features.

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
        self.linear: Linear | None = linear(model) if fast else None

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
        shares = self._model.predict_proba(self._matrix(chosen)) if len(codes) else np.empty((0, 0))
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
        predicted = pa.array(np.asarray(self._model.predict(self._matrix(features))))
        found = pc.index_in(predicted.cast(self._known.type), value_set=self._known)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int32)

    def _matrix(self, features: pl.DataFrame) -> Any:
        """The features as the model was fitted: a pandas frame where it remembers names, else an array."""
        values = features.to_numpy(order="fortran")
        if not self._has_names:
            return values
        import pandas as pd

        return pd.DataFrame(values, columns=list(self.names), copy=False)
