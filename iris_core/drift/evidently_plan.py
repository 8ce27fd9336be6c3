"""Plans the tests that Evidently runs: methods and thresholds by sample size, on a bounded sample.

They make Evidently's page and do not decide the verdict, which has terms of its own.

Evidently's defaults switch the method at 1,000 reference rows, and Wasserstein at 0.1 alarms on every batch
of 30 rows. Here the method follows the effective sample size h = n·m / (n + m):

- a feature of numbers, h < 2,000: Kolmogorov-Smirnov's p-value against `ALPHA["shape"]` / number of tests.
  To be that small at this size the distributions must differ by at least 0.04 at some point, as after a
  shift of 0.1 standard deviations: the test implies an effect that matters.
- a feature of numbers, otherwise: Wasserstein distance in standard deviations of the reference, from 0.1.
- a category, and the prediction: Jensen-Shannon distance, from 0.1 or what chance gives, whichever is more.
  For k classes, 8·h·distance² is about chi-square with k - 1 degrees of freedom (Lin, "Divergence measures
  based on the Shannon entropy", IEEE Trans. Inf. Theory 37, 1991; second-order expansion). Evidently's
  chi-square test takes the reference as exact and cannot be used against a small one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict
from scipy import special

from iris_core.drift.levels import REST
from iris_core.drift.statistics import LARGEST, Codes, of_frame
from iris_core.drift.thresholds import ALPHA, MINIMUM_ROWS
from iris_core.errors import DataRejected

PAGE_ROWS = 10_000
"""Most rows of each table that go to Evidently. The verdict reads more. The page shows the same with these,
and its classification metrics alone take seconds for 50,000 rows of text labels."""

MOST_SHOWN = 50
"""Most levels of a category that have a bar of their own."""
DISTANCE_FROM = 2_000
DISTANCE = 0.1

Role = Literal["feature", "prediction"]


class EvidentlyColumn(BaseModel):
    """One test: `drifted` means that `value` is `direction` the `threshold`.

    `excluded` gives the reason why a column was not tested; then there is no value. `reference` and `current`
    count the sampled values tested, missing ones left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    role: Role
    method: str | None = None
    threshold: float | None = None
    value: float | None = None
    drifted: bool = False
    direction: Literal["below", "above"] | None = None
    reference: int = 0
    current: int = 0
    excluded: str = ""


@dataclass(frozen=True)
class Plan:
    """Two prepared, bounded tables and the tests pinned for them, none run yet."""

    reference: pl.DataFrame
    current: pl.DataFrame
    tests: tuple[EvidentlyColumn, ...]


def planned(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    features: Sequence[str],
    prediction: str | None,
    label: str | None,
    codes: Codes,
    sample_rows: int = PAGE_ROWS,
    seed: int = 0,
) -> Plan:
    """Sample and prepare both tables, and pin each column's test; the parameters are those of
    `evidently_report`.

    :raises DataRejected: as `evidently_report`.
    """
    classes = [name for name in (prediction, label) if name]
    old, new = (
        _prepared(_sampled(frame, sample_rows, seed), features, classes, codes)
        for frame in (reference, current)
    )
    old, new = _shortened(old, new, [name for name in features if name in codes])
    family = len(features) + len(classes)
    tests = [
        _class_plan("feature", old[name], new[name], family)
        if name in codes
        else _feature_plan(old[name], new[name], family)
        for name in features
    ]
    if prediction:
        tests.append(_class_plan("prediction", old[prediction], new[prediction], family))
    return Plan(old, new, tuple(tests))


def _sampled(frame: pl.DataFrame, rows: int, seed: int) -> pl.DataFrame:
    return frame.sample(rows, seed=seed) if frame.height > rows else frame


def _prepared(
    frame: pl.DataFrame, features: Sequence[str], classes: Sequence[str], codes: Codes
) -> pl.DataFrame:
    """Numbers as doubles, missing and infinite ones as null; categories and classes as text."""
    of_frame(frame, features, codes)  # raises for a missing column, and for text
    absent = [name for name in classes if name not in frame.columns]
    if absent:
        raise DataRejected(
            f"Column {', '.join(absent)} is missing; found {', '.join(frame.columns)}. "
            "Score the table with the model first.",
            {"missing": absent, "found": frame.columns},
        )
    return frame.select(
        *(_named(name, codes[name]) if name in codes else _finite(name) for name in features),
        *(pl.col(name).cast(pl.String) for name in classes),
    )


def _finite(name: str) -> pl.Expr:
    number = pl.col(name).cast(pl.Float64)
    return pl.when(number.abs() <= LARGEST).then(number)


def _named(name: str, levels: Sequence[str]) -> pl.Expr:
    """The levels that codes stand for."""
    places = pl.col(name).cast(pl.Float64).fill_nan(None).cast(pl.Int64)
    return places.replace_strict(range(len(levels)), [*levels], return_dtype=pl.String)


def _shortened(
    reference: pl.DataFrame, current: pl.DataFrame, names: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both tables, the rarest levels of categories with very many of them as one."""
    kept = {name: _most_frequent(pl.concat([reference[name], current[name]])) for name in names}
    lumped = [
        pl.when(pl.col(name).is_in(levels) | pl.col(name).is_null())
        .then(pl.col(name))
        .otherwise(pl.lit(REST))
        .alias(name)
        for name, levels in kept.items()
    ]
    return reference.with_columns(lumped), current.with_columns(lumped)


def _most_frequent(column: pl.Series) -> list[str]:
    # polars would name the columns as the table does: its own may be called count.
    counted = column.drop_nulls().alias("level").value_counts(name="rows")
    return counted.sort("rows", "level", descending=[True, False])["level"].head(MOST_SHOWN).to_list()


def _feature_plan(reference: pl.Series, current: pl.Series, tests: int) -> EvidentlyColumn:
    name, m, n = reference.name, reference.count(), current.count()
    column = EvidentlyColumn(column=name, role="feature", reference=m, current=n)
    if reason := _unusable(reference, current):
        return column.model_copy(update={"excluded": reason})
    if m * n / (m + n) < DISTANCE_FROM:
        plan = {"method": "ks", "threshold": ALPHA["shape"] / tests, "direction": "below"}
    else:
        plan = {"method": "wasserstein", "threshold": DISTANCE, "direction": "above"}
    return column.model_copy(update=plan)


def _class_plan(role: Role, reference: pl.Series, current: pl.Series, tests: int) -> EvidentlyColumn:
    name, m, n = reference.name, reference.count(), current.count()
    column = EvidentlyColumn(column=name, role=role, reference=m, current=n)
    if min(m, n) < MINIMUM_ROWS:
        return column.model_copy(update={"excluded": _few(m, n)})
    classes = pl.concat([reference, current]).drop_nulls().n_unique()
    chance = 0.0
    if classes > 1:
        quantile = float(special.chdtri(classes - 1, ALPHA["shape"] / tests))
        chance = sqrt(quantile * (1 / m + 1 / n) / 8)
    plan = {"method": "jensenshannon", "threshold": max(DISTANCE, chance), "direction": "above"}
    return column.model_copy(update=plan)


def _unusable(reference: pl.Series, current: pl.Series) -> str:
    if min(reference.count(), current.count()) < MINIMUM_ROWS:
        return _few(reference.count(), current.count())
    if reference.drop_nulls().n_unique() == 1:
        return "constant in the reference: there is no distribution to compare with"
    return ""


def _few(m: int, n: int) -> str:
    return f"{m} reference and {n} current values, at least {MINIMUM_ROWS} of each are needed"


def with_value(column: EvidentlyColumn, value: float | None) -> EvidentlyColumn:
    """The test with its value, and whether that is a drift."""
    if column.threshold is None or value is None:
        return column
    drifted = value < column.threshold if column.direction == "below" else value >= column.threshold
    return column.model_copy(update={"value": value, "drifted": drifted})
