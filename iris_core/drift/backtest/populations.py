"""Where a backtest's tables come from: a distribution, or rows drawn again from a table with replacement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from iris_core.drift.statistics import Codes, of_frame
from iris_core.errors import DataRejected

CLASS = "prediction"
SPREAD_ROWS = 200_000
MIDDLE_ROWS = 10_000
NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")

Rows = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Rows]


@dataclass(frozen=True)
class Population:
    """Draws tables of `features` and a predicted class.

    `rows` is the size of the table behind it, if any; `codes` are the levels of those features that are
    categories.
    """

    name: str
    features: tuple[str, ...]
    table: Callable[[np.random.Generator, int], pl.DataFrame]
    rows: int | None = None
    codes: Codes = field(default_factory=dict)

    @property
    def numbers(self) -> tuple[str, ...]:
        """The features that are no categories."""
        return tuple(name for name in self.features if name not in self.codes)

    @property
    def categories(self) -> tuple[str, ...]:
        """The features that are categories."""
        return tuple(name for name in self.features if name in self.codes)

    @cached_property
    def centres(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation of each feature of numbers."""
        drawn = self.table(np.random.default_rng(0), SPREAD_ROWS)
        found = of_frame(drawn, self.numbers)
        return {name: (found[name].mean or 0.0, found[name].std or 0.0) for name in self.numbers}

    @cached_property
    def shares(self) -> dict[str, Rows]:
        """Share of each level among the values of each category, by code."""
        drawn = self.table(np.random.default_rng(0), SPREAD_ROWS)
        found = of_frame(drawn, self.categories, self.codes)
        return {
            name: np.array([(found[name].levels or {}).get(level, 0) for level in self.codes[name]])
            / max(1, found[name].count)
            for name in self.categories
        }

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The predicted classes, in order."""
        drawn = self.table(np.random.default_rng(0), SPREAD_ROWS)[CLASS]
        return tuple(sorted(drawn.drop_nulls().unique().to_list()))


def of_distribution(name: str, draw: Draw, levels: Sequence[int] = ()) -> Population:
    """Independent rows; whether the third feature (or the last) is above its median serves as the predicted
    class.

    :param name: of the population.
    :param draw: draws rows of numbers.
    :param levels: how many levels each column has whose numbers are codes; 0: it is one of numbers.
    """
    drawn = draw(np.random.default_rng(0), MIDDLE_ROWS)
    columns = drawn.shape[1]
    place = min(2, columns - 1)
    middle = float(np.median(drawn[:, place]))
    names = (*NAMES, *(f"column_{number}" for number in range(len(NAMES), columns)))[:columns]

    def table(rng: np.random.Generator, n: int) -> pl.DataFrame:
        frame = pl.DataFrame(draw(rng, n), schema=list(names))
        above = pl.col(names[place]) > middle
        return frame.with_columns(
            pl.when(above).then(pl.lit("above")).otherwise(pl.lit("below")).alias(CLASS)
        )

    codes = {
        names[place]: tuple(f"level {number}" for number in range(many))
        for place, many in enumerate(levels)
        if many
    }
    return Population(name, names, table, codes=codes)


def of_table(
    name: str, frame: pl.DataFrame, features: Sequence[str], target: str, codes: Codes | None = None
) -> Population:
    """The bootstrap: rows of a table, drawn with replacement.

    Its class is the column `prediction`, else the target, else whether the first feature is above its median.

    :param name: of the table, for messages.
    :param frame: the table.
    :param features: its columns of numbers or codes.
    :param target: the column of the class.
    :param codes: the levels of those features that hold codes.
    :raises DataRejected: no rows, a feature is missing or holds no numbers.
    """
    of_frame(frame, features, codes)
    if not frame.height:
        raise DataRejected(f"{name} has no rows: a backtest draws its batches from them.")
    numbers = [pl.col(feature).cast(pl.Float64) for feature in features]
    found = next((column for column in (CLASS, target) if column in frame.columns), None)
    above = pl.col(features[0]) > pl.col(features[0]).median()
    kept = frame.select(*numbers, (pl.col(found) if found else above).cast(pl.String).alias(CLASS))

    def table(rng: np.random.Generator, n: int) -> pl.DataFrame:
        return kept[rng.integers(0, kept.height, n)]

    return Population(name, tuple(features), table, kept.height, codes or {})


def _iris() -> Population:
    from sklearn.datasets import load_iris

    loaded = load_iris()
    species = pl.Series(CLASS, [str(loaded.target_names[number]) for number in loaded.target])
    frame = pl.DataFrame(np.asarray(loaded.data, dtype=np.float64), schema=list(NAMES)).with_columns(species)
    return of_table("iris", frame, NAMES, CLASS)


def _mixture(rng: np.random.Generator, n: int) -> Rows:
    far = rng.random((n, 4)) < 0.1
    return np.where(far, rng.normal(8.0, 3.0, (n, 4)), rng.standard_normal((n, 4)))


def _zero_inflated(rng: np.random.Generator, n: int) -> Rows:
    return np.where(rng.random((n, 4)) < 0.9, 0.0, rng.lognormal(0.0, 1.0, (n, 4)))


def _correlated(rng: np.random.Generator, n: int) -> Rows:
    common = rng.standard_normal((n, 1))
    return np.asarray(np.sqrt(0.9) * common + np.sqrt(0.1) * rng.standard_normal((n, 4)))


def _mixed(rng: np.random.Generator, n: int) -> Rows:
    return np.column_stack(
        [
            rng.standard_normal(n),
            rng.standard_normal(n).round(1),
            rng.lognormal(0.0, 1.5, n),
            rng.standard_cauchy(n),
            rng.poisson(1.0, n),
            rng.integers(0, 5, n),
            rng.random(n) < 0.3,
            np.where(rng.random(n) < 0.9, 0.0, rng.lognormal(0.0, 1.0, n)),
        ]
    )


def _near_duplicates(rng: np.random.Generator, n: int) -> Rows:
    common = rng.standard_normal((n, 1))
    noise = rng.standard_normal((n, 3)) * (1e-3, 0.05, 1.0)
    return np.column_stack([common, common + noise[:, :2], noise[:, 2]])


DISTRIBUTIONS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.standard_normal((n, 4)),
    "gamma": lambda rng, n: rng.gamma(2.0, 1.0, (n, 4)),
    "lognormal": lambda rng, n: rng.lognormal(0.0, 1.5, (n, 4)),
    "student5": lambda rng, n: rng.standard_t(5, (n, 4)),
    "pareto": lambda rng, n: rng.pareto(1.5, (n, 4)),
    "discrete": lambda rng, n: rng.choice(4, (n, 4), p=(0.6, 0.3, 0.08, 0.02)).astype(np.float64),
    "rare": lambda rng, n: (rng.random((n, 4)) < 0.02).astype(np.float64),
    "zero_inflated": _zero_inflated,
    "mixture": _mixture,
    "correlated": _correlated,
    "columns_2": lambda rng, n: rng.standard_normal((n, 2)),
    "columns_100": lambda rng, n: rng.standard_normal((n, 100)),
    "columns_200": lambda rng, n: rng.standard_normal((n, 200)),
    "cauchy": lambda rng, n: rng.standard_cauchy((n, 4)),
    "exponential": lambda rng, n: rng.exponential(1.0, (n, 4)),
    "bernoulli": lambda rng, n: (rng.random((n, 4)) < 0.3).astype(np.float64),
    "poisson": lambda rng, n: rng.poisson(1.0, (n, 4)).astype(np.float64),
    "rounded": lambda rng, n: rng.standard_normal((n, 4)).round(1),
    "integers": lambda rng, n: rng.integers(0, 10, (n, 4)).astype(np.float64),
    "zeros_99": lambda rng, n: np.where(rng.random((n, 4)) < 0.99, 0.0, rng.lognormal(0.0, 1.5, (n, 4))),
    "mixed": _mixed,
    "near_duplicates": _near_duplicates,
    "constant": lambda rng, n: np.column_stack([np.full((n, 2), 0.3), rng.standard_normal((n, 2))]),
}


def _levels(*shares: Sequence[float] | Rows) -> Draw:
    """Codes in these shares, a column each."""
    return lambda rng, n: np.column_stack([rng.choice(len(p), n, p=p) for p in shares]).astype(np.float64)


def _even(levels: int) -> list[float]:
    return [1 / levels] * levels


def _zipf(levels: int) -> Rows:
    """Shares that fall with the rank: the second level has half of the first one's rows, and so on."""
    weights = 1 / np.arange(1, levels + 1)
    return np.asarray(weights / weights.sum())


_OF_EIGHT: tuple[Sequence[float] | Rows, ...] = (
    _even(2),
    (0.97, 0.03),
    (0.5, 0.3, 0.2),
    _even(5),
    _zipf(5),
    _zipf(8),
    _even(12),
    _zipf(30),
)


def _beside_numbers(rng: np.random.Generator, n: int) -> Rows:
    return np.column_stack([_mixed(rng, n)[:, :4], _levels(*_OF_EIGHT[::2])(rng, n)])


def _with_missing(rng: np.random.Generator, n: int) -> Rows:
    codes = _levels(*_OF_EIGHT)(rng, n)
    return np.where(rng.random(codes.shape) < (0, 0.02, 0, 0.1, 0.3, 0.6, 0.1, 0.1), np.nan, codes)


CATEGORIES: dict[str, tuple[Draw, tuple[int, ...]]] = {
    "binary_rare": (_levels(*[(0.98, 0.02)] * 4), (2,) * 4),
    "levels_5": (_levels(*[_even(5)] * 4), (5,) * 4),
    "levels_30": (_levels(*[_zipf(30)] * 4), (30,) * 4),
    "levels_1000": (_levels(*[_zipf(1_000)] * 2), (1_000,) * 2),
    "levels_and_numbers": (_beside_numbers, (0,) * 4 + tuple(len(p) for p in _OF_EIGHT[::2])),
    "categories_8": (_levels(*_OF_EIGHT), tuple(len(p) for p in _OF_EIGHT)),
    "categories_missing": (_with_missing, tuple(len(p) for p in _OF_EIGHT)),
}
"""How rows are drawn, and the number of levels of each column: 0 is one of numbers."""

BUILT_IN = ("iris", *DISTRIBUTIONS, *CATEGORIES)


def built_in(name: str) -> Population:
    """One of `BUILT_IN`: the real Iris, columns of a distribution, or categories."""
    if name == "iris":
        return _iris()
    draw, levels = CATEGORIES[name] if name in CATEGORIES else (DISTRIBUTIONS[name], ())
    return of_distribution(name, draw, levels)
