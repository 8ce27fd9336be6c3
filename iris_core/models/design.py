"""What a linear model's coefficients multiply: the columns that a pipeline makes of the features.

`design_of` knows the steps that our training puts before a classifier, by their exact types; of any other
pipeline it knows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class Derived(Protocol):
    """Some columns of a design; `width` is their number."""

    @property
    def width(self) -> int: ...
    @property
    def features(self) -> tuple[str, ...]:
        """The feature that each column is made of."""

    def score(self, weights: Numbers) -> Iterator[pl.Expr]:
        """Parts of a score: the columns with these weights, in sum."""

    def largest(self, largest: dict[str, float]) -> list[float]:
        """The largest absolute value of each column, given that of each feature."""


@dataclass(frozen=True)
class Amounts:
    """Features as they are; `fills` stand for missing values."""

    features: tuple[str, ...]
    fills: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        return len(self.features)

    def score(self, weights: Numbers) -> Iterator[pl.Expr]:
        for place, (name, weight) in enumerate(zip(self.features, weights, strict=True)):
            value = pl.col(name).fill_nan(self.fills[place]) if self.fills else pl.col(name)
            yield value * float(weight)

    def largest(self, largest: dict[str, float]) -> list[float]:
        fills = self.fills or (0.0,) * self.width
        return [max(largest[name], abs(fill)) for name, fill in zip(self.features, fills, strict=True)]


@dataclass(frozen=True)
class Indicators:
    """1 where a feature is missing, else 0."""

    features: tuple[str, ...]

    @property
    def width(self) -> int:
        return len(self.features)

    def score(self, weights: Numbers) -> Iterator[pl.Expr]:
        for name, weight in zip(self.features, weights, strict=True):
            yield pl.when(pl.col(name).is_nan()).then(float(weight)).otherwise(0.0)

    def largest(self, largest: dict[str, float]) -> list[float]:
        return [1.0 for name in self.features if name in largest]


@dataclass(frozen=True)
class Levels:
    """A column for each code of a feature: 1 where the feature has it, else 0. NaN is the code of missing."""

    feature: str
    codes: tuple[float, ...]

    @property
    def width(self) -> int:
        return len(self.codes)

    @property
    def features(self) -> tuple[str, ...]:
        return (self.feature,) * self.width

    def score(self, weights: Numbers) -> Iterator[pl.Expr]:
        known = sum(not np.isnan(code) for code in self.codes)
        missing = weights[known] if known < self.width else 0.0
        table = pl.Series([*weights[:known].tolist(), 0.0, float(missing)])  # 0: a code that no column has
        code = pl.col(self.feature)
        place = pl.when(code.is_nan()).then(known + 1).otherwise(code.clip(upper_bound=known))
        yield pl.lit(table).gather(place.cast(pl.UInt32))

    def largest(self, largest: dict[str, float]) -> list[float]:
        return [1.0 for name in self.features if name in largest]


@dataclass(frozen=True, eq=False)
class Design:
    """The columns of a design, and what scalers make of each: `column * factor + term`.

    `moved` is the sum of the terms' absolute values, as each scaler scales those before it: it bounds what
    rounding loses.
    """

    blocks: tuple[Derived, ...]
    factor: Numbers
    term: Numbers
    moved: Numbers

    @classmethod
    def of(cls, *blocks: Derived) -> Design:
        """Columns that no scaler has changed."""
        width = sum(block.width for block in blocks)
        return cls(blocks, np.ones(width), np.zeros(width), np.zeros(width))

    def then(self, factor: Numbers, term: Numbers) -> Design:
        """The design with a further scaler."""
        moved = self.moved * np.abs(factor) + np.abs(term)
        return Design(self.blocks, self.factor * factor, self.term * factor + term, moved)

    @property
    def features(self) -> tuple[str, ...]:
        """The feature that each column is made of."""
        return tuple(name for block in self.blocks for name in block.features)


def untouched(names: Sequence[str]) -> Design:
    """The design of features that nothing is done to."""
    return Design.of(Amounts(tuple(names)))


def joined(parts: Sequence[Design]) -> Design:
    """Designs side by side."""
    return Design(
        tuple(block for part in parts for block in part.blocks),
        np.concatenate([part.factor for part in parts]),
        np.concatenate([part.term for part in parts]),
        np.concatenate([part.moved for part in parts]),
    )


def design_of(steps: Sequence[Any], names: Sequence[str]) -> Design | None:
    """The design that fitted steps make of features; None if one of them is not known.

    :param steps: the steps before the classifier.
    :param names: the features, in the order in which the model takes them.
    """
    found: Design | None = untouched(names)
    for place, step in enumerate(steps):
        if found is None:
            return None
        found = _columns(step, names) if place == 0 and _is_split(step) else _scaled(found, step)
    return found


def _is_split(step: Any) -> bool:
    from sklearn.compose import ColumnTransformer

    return type(step) is ColumnTransformer


def _columns(step: Any, names: Sequence[str]) -> Design | None:
    """The design of a ColumnTransformer."""
    if step.transformer_weights or step.sparse_output_:
        return None
    parts = []
    for _, part, chosen in step.transformers_:
        if isinstance(part, str) and part == "drop":
            continue
        of = [str(one) if isinstance(one, str) else str(names[one]) for one in chosen]
        found = _part(part, of)
        if found is None:
            return None
        parts.append(found)
    return joined(parts) if parts else None


def _part(part: Any, names: Sequence[str]) -> Design | None:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    steps = [step for _, step in part.steps] if type(part) is Pipeline else [part]
    found: Design | None
    if type(steps[0]) is SimpleImputer:
        found, steps = _imputed(steps[0], names), steps[1:]
    elif type(steps[0]) is OneHotEncoder:
        found, steps = _levels(steps[0], names), steps[1:]
    else:
        found = untouched(names)
    for step in steps:
        found = _scaled(found, step) if found else None
    return found


def _imputed(step: Any, names: Sequence[str]) -> Design | None:
    fills = np.asarray(step.statistics_, np.float64)
    if not (np.isnan(step.missing_values) and step.keep_empty_features and np.isfinite(fills).all()):
        return None
    blocks: list[Derived] = [Amounts(tuple(names), tuple(fills.tolist()))]
    if step.add_indicator:
        blocks.append(Indicators(tuple(names[place] for place in step.indicator_.features_)))
    return Design.of(*blocks)


def _levels(step: Any, names: Sequence[str]) -> Design | None:
    if step.drop is not None or step.sparse_output or getattr(step, "_infrequent_enabled", False):
        return None
    codes = [np.asarray(found, np.float64) for found in step.categories_]
    if not all(_are_codes(found) for found in codes):
        return None
    blocks = tuple(Levels(name, tuple(found.tolist())) for name, found in zip(names, codes, strict=True))
    return Design.of(*blocks)


def _are_codes(found: Numbers) -> bool:
    known = found[~np.isnan(found)]
    return bool(np.array_equal(found[: len(known)], np.arange(len(known))))


def _scaled(found: Design, step: Any) -> Design | None:
    if not _is_affine(step):
        return None
    return found.then(*_affine(step, len(found.factor)))


def _is_nothing(step: Any) -> bool:
    from sklearn.preprocessing import FunctionTransformer

    if type(step) is FunctionTransformer:
        return step.func is None
    return step is None or (isinstance(step, str) and step == "passthrough")


def _is_affine(step: Any) -> bool:
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

    if _is_nothing(step):
        return True
    if type(step) is MinMaxScaler:
        return not step.clip
    return type(step) in (StandardScaler, MaxAbsScaler, RobustScaler)


def _affine(step: Any, width: int) -> tuple[Numbers, Numbers]:
    """Factor and term of a scaler that maps each column x to `x * factor + term`."""
    from sklearn.preprocessing import MinMaxScaler

    ones, zeros = np.ones(width), np.zeros(width)
    if _is_nothing(step):
        return ones, zeros
    if type(step) is MinMaxScaler:
        return np.asarray(step.scale_), np.asarray(step.min_)
    scale = getattr(step, "scale_", None)
    factor = ones if scale is None else 1 / np.asarray(scale)
    centre = getattr(step, "mean_", None) if hasattr(step, "with_mean") else getattr(step, "center_", None)
    is_centred = getattr(step, "with_mean", getattr(step, "with_centering", False))
    term = -np.asarray(centre) * factor if is_centred and centre is not None else zeros
    return factor, term
