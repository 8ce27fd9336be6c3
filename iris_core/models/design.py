"""What a linear model's coefficients multiply: the columns that a pipeline makes of the features.

`design_of` knows the steps that our training puts before a classifier, by their exact types; of any other
pipeline it knows nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class Derived(ABC):
    """Some columns of a design."""

    @property
    @abstractmethod
    def features(self) -> tuple[str, ...]:
        """The feature that each column is made of."""

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.features)

    @abstractmethod
    def score(self, weights: Numbers) -> Iterator[pl.Expr]:
        """Parts of a score: the columns with these weights, in sum."""

    def largest(self, extent: Mapping[str, float]) -> list[float]:  # noqa: ARG002 - 1 whatever the features are
        """The largest absolute value of each column, given that of each feature."""
        return [1.0] * self.width


@dataclass(frozen=True)
class Amounts(Derived):
    """Features as they are; `fills` stand for missing values."""

    names: tuple[str, ...]
    fills: tuple[float, ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        return self.names

    def score(self, weights: Numbers) -> Iterator[pl.Expr]:
        for place, (name, weight) in enumerate(zip(self.names, weights, strict=True)):
            value = pl.col(name).fill_nan(self.fills[place]) if self.fills else pl.col(name)
            yield value * float(weight)

    def largest(self, extent: Mapping[str, float]) -> list[float]:
        fills = self.fills or (0.0,) * self.width
        return [max(extent[name], abs(fill)) for name, fill in zip(self.names, fills, strict=True)]


@dataclass(frozen=True)
class Indicators(Derived):
    """1 where a feature is missing, else 0."""

    names: tuple[str, ...]

    @property
    def features(self) -> tuple[str, ...]:
        return self.names

    def score(self, weights: Numbers) -> Iterator[pl.Expr]:
        for name, weight in zip(self.names, weights, strict=True):
            yield pl.when(pl.col(name).is_nan()).then(float(weight)).otherwise(0.0)


@dataclass(frozen=True)
class Levels(Derived):
    """A column for each code of a feature: 1 where the feature has it, else 0. NaN is the code of missing."""

    name: str
    codes: tuple[float, ...]

    @property
    def features(self) -> tuple[str, ...]:
        return (self.name,) * len(self.codes)

    def score(self, weights: Numbers) -> Iterator[pl.Expr]:
        known = sum(not np.isnan(code) for code in self.codes)
        missing = weights[known] if known < self.width else 0.0
        table = pl.Series([*weights[:known].tolist(), 0.0, float(missing)])  # 0: a code that no column has
        code = pl.col(self.name)
        place = pl.when(code.is_nan()).then(known + 1).otherwise(code.clip(upper_bound=known))
        yield pl.lit(table).gather(place.cast(pl.UInt32))


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


def steps_of(model: Any) -> list[Any]:
    """The steps of a pipeline; any other model is its own only step."""
    return [step for _, step in model.steps] if hasattr(model, "steps") else [model]


def design_of(steps: Sequence[Any], names: Sequence[str]) -> Design | None:
    """The design that fitted steps make of features; None if one of them is not known.

    :param steps: the steps before the classifier.
    :param names: the features, in the order in which the model takes them.
    """
    found: Design | None = untouched(names)
    for place, step in enumerate(steps):
        make = _maker(step) if place == 0 else None
        found = make(step, names) if make else _scaled(found, step) if found else None
    return found


def _maker(step: Any) -> Callable[[Any, Sequence[str]], Design | None] | None:
    """What knows the columns of a first step that makes others than the features; None for any other step."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    makers = {ColumnTransformer: _split, SimpleImputer: _imputed, OneHotEncoder: _levels}
    return makers.get(type(step))


def _split(step: Any, names: Sequence[str]) -> Design | None:
    """The design of a ColumnTransformer."""
    from sklearn.pipeline import Pipeline

    if step.transformer_weights or step.sparse_output_:
        return None
    parts = []
    for _, part, chosen in step.transformers_:
        if isinstance(part, str) and part == "drop":
            continue
        of = _chosen(chosen, names)
        steps = [one for _, one in part.steps] if type(part) is Pipeline else [part]
        found = None if of is None else design_of(steps, of)
        if found is None:
            return None
        parts.append(found)
    return joined(parts) if parts else None


def _chosen(chosen: Any, names: Sequence[str]) -> list[str] | None:
    """The features that a part takes, by name or by place; None if they are told in another way."""
    if isinstance(chosen, list) and all(isinstance(one, str) for one in chosen):
        return chosen
    if isinstance(chosen, list) and all(type(one) is int for one in chosen):
        return [names[place] for place in chosen]
    return None


def _imputed(step: Any, names: Sequence[str]) -> Design | None:
    is_nan = isinstance(step.missing_values, float) and np.isnan(step.missing_values)
    fills = np.asarray(step.statistics_)
    if not (is_nan and step.keep_empty_features and fills.dtype == np.float64 and np.isfinite(fills).all()):
        return None
    blocks: list[Derived] = [Amounts(tuple(names), tuple(fills.tolist()))]
    if step.add_indicator:
        blocks.append(Indicators(tuple(names[place] for place in step.indicator_.features_)))
    return Design.of(*blocks)


def _levels(step: Any, names: Sequence[str]) -> Design | None:
    is_simple = step.drop is None and not step.sparse_output and step.handle_unknown == "ignore"
    if not is_simple or getattr(step, "_infrequent_enabled", False):
        return None
    if not all(map(_are_codes, step.categories_)):
        return None
    named = zip(names, step.categories_, strict=True)
    return Design.of(*(Levels(name, tuple(codes.tolist())) for name, codes in named))


def _are_codes(found: NDArray[Any]) -> bool:
    """Whether categories are 0, 1, …, and then perhaps NaN."""
    if found.dtype != np.float64:
        return False
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
