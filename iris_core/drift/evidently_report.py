"""Evidently's tests per column, and its HTML, with pinned methods on a bounded, seeded sample.

Evidently's defaults switch the method at 1,000 reference rows, and Wasserstein at 0.1 alarms on every batch
of 30 rows. Here the method follows the effective sample size h = n·m / (n + m):

- a feature, h < 2,000: Kolmogorov-Smirnov's p-value against `EVIDENTLY_ALPHA` / number of tests. To be
  that small at this size the distributions must differ by at least 0.04 at some point, as after a shift of
  0.1 standard deviations: the test implies an effect that matters.
- a feature, otherwise: Wasserstein distance in standard deviations of the reference, from 0.1.
- the prediction: Jensen-Shannon distance, from 0.1 or what chance gives, whichever is more. For k classes,
  8·h·distance² is about chi-square with k - 1 degrees of freedom (Lin, "Divergence measures based on the
  Shannon entropy", IEEE Trans. Inf. Theory 37, 1991; second-order expansion). Evidently's chi-square
  test takes the reference as exact and cannot be used against a small one.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import sqrt
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict
from scipy import special

from iris_core.drift.share import share_difference
from iris_core.drift.statistics import LARGEST, of_frame
from iris_core.drift.thresholds import EVIDENTLY_ALPHA, MINIMUM_ROWS
from iris_core.errors import DataRejected

SAMPLE_ROWS = 50_000
"""At most so many rows of each table go to Evidently; the simple statistics see all."""

DISTANCE_FROM = 2_000
DISTANCE = 0.1
ACCURACY_DROP = 0.05

Role = Literal["feature", "prediction", "performance"]


class EvidentlyColumn(BaseModel):
    """One test: `drifted` means that `value` is `direction` the `threshold`.

    `excluded` gives the reason why a column was not tested; then there is no value. `reference` and `current`
    count the sampled values tested, missing ones left out. For role performance, `value` is the drop of
    accuracy from the reference to the current data.
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
class EvidentlyReport:
    """Evidently's results (`json`), its page (`html`, renders offline) and our reading of each column.

    `json["iris"]` states the sample: rows, sampled rows, seed.
    """

    json: dict[str, Any]
    html: str
    columns: tuple[EvidentlyColumn, ...]


def evidently_report(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    features: Sequence[str],
    *,
    prediction: str | None = "prediction",
    label: str | None = None,
    sample_rows: int = SAMPLE_ROWS,
    seed: int = 0,
) -> EvidentlyReport:
    """Run Evidently on two tables.

    :param features: numeric columns, in both tables.
    :param prediction: the predicted class's column, in both tables; None: there is none.
    :param label: the true class's column; performance is compared where both tables have it.
    :raises DataRejected: a column is missing, or a feature does not hold numbers.
    """
    labelled = label if prediction and label and _labelled(reference, current, label) else None
    classes = [name for name in (prediction, labelled) if name]
    old, new = (
        _prepared(_sampled(frame, sample_rows, seed), features, classes) for frame in (reference, current)
    )
    tests = len(features) + len(classes)
    planned = [_feature_plan(old[name], new[name], tests) for name in features]
    if prediction:
        planned.append(_prediction_plan(old[prediction], new[prediction], tests))
    raw, html = _run(old, new, planned, prediction, labelled)
    values = {
        metric["config"]["column"]: metric["value"]
        for metric in raw["metrics"]
        if metric["config"]["type"].endswith(":ValueDrift")
    }
    columns = [_read(column, values.get(column.column)) for column in planned]
    if prediction and labelled:
        columns.append(_performance(old, new, prediction, labelled, tests))
    sample = _sample_note(reference, current, old, new, sample_rows, seed)
    return EvidentlyReport({**raw, "iris": sample}, _stated(html, sample, columns), tuple(columns))


def _labelled(reference: pl.DataFrame, current: pl.DataFrame, label: str) -> bool:
    return all(
        label in frame.columns and frame[label].count() >= MINIMUM_ROWS for frame in (reference, current)
    )


def _sampled(frame: pl.DataFrame, rows: int, seed: int) -> pl.DataFrame:
    return frame.sample(rows, seed=seed) if frame.height > rows else frame


def _prepared(frame: pl.DataFrame, features: Sequence[str], classes: Sequence[str]) -> pl.DataFrame:
    """Features as doubles with missing and infinite as null, classes as text."""
    of_frame(frame, features)  # raises for a missing column, and for text
    absent = [name for name in classes if name not in frame.columns]
    if absent:
        raise DataRejected(
            f"Column {', '.join(absent)} is missing; found {', '.join(frame.columns)}. "
            "Score the table with the model first.",
            {"missing": absent, "found": frame.columns},
        )
    numbers = [pl.col(name).cast(pl.Float64) for name in features]
    return frame.select(
        *(pl.when(number.abs() <= LARGEST).then(number) for number in numbers),
        *(pl.col(name).cast(pl.String) for name in classes),
    )


def _feature_plan(reference: pl.Series, current: pl.Series, tests: int) -> EvidentlyColumn:
    name, m, n = reference.name, reference.count(), current.count()
    column = EvidentlyColumn(column=name, role="feature", reference=m, current=n)
    if reason := _unusable(reference, current):
        return column.model_copy(update={"excluded": reason})
    if m * n / (m + n) < DISTANCE_FROM:
        plan = {"method": "ks", "threshold": EVIDENTLY_ALPHA / tests, "direction": "below"}
    else:
        plan = {"method": "wasserstein", "threshold": DISTANCE, "direction": "above"}
    return column.model_copy(update=plan)


def _prediction_plan(reference: pl.Series, current: pl.Series, tests: int) -> EvidentlyColumn:
    name, m, n = reference.name, reference.count(), current.count()
    column = EvidentlyColumn(column=name, role="prediction", reference=m, current=n)
    if min(m, n) < MINIMUM_ROWS:
        return column.model_copy(update={"excluded": _few(m, n)})
    classes = pl.concat([reference, current]).drop_nulls().n_unique()
    chance = 0.0
    if classes > 1:
        quantile = float(special.chdtri(classes - 1, EVIDENTLY_ALPHA / tests))
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


def _run(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    planned: Sequence[EvidentlyColumn],
    prediction: str | None,
    label: str | None,
) -> tuple[dict[str, Any], str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.core.datasets import MulticlassClassification
        from evidently.metrics import Accuracy, RowCount, ValueDrift

        tested = [column for column in planned if not column.excluded]
        metrics: list[Any] = [
            ValueDrift(column=column.column, method=column.method, threshold=column.threshold)
            for column in tested
        ]
        tasks = []
        if prediction and label:
            tasks.append(MulticlassClassification(target=label, prediction_labels=prediction))
            metrics.append(Accuracy())
        classes = [name for name in (prediction, label) if name]
        definition = DataDefinition(
            numerical_columns=[column.column for column in tested if column.role == "feature"],
            categorical_columns=classes,
            classification=tasks,
        )
        names = list(dict.fromkeys([column.column for column in tested] + classes))
        new, old = (
            Dataset.from_pandas(_pandas(frame.select(names)), data_definition=definition)
            for frame in (current, reference)
        )
        snapshot = Report([RowCount(), *metrics], include_tests=True).run(new, old)
        return json.loads(snapshot.json()), snapshot.get_html_str(as_iframe=False)


def _pandas(frame: pl.DataFrame) -> Any:
    import pandas as pd

    return pd.DataFrame(
        {
            name: frame[name].to_numpy() if frame[name].dtype.is_numeric() else frame[name].to_list()
            for name in frame.columns
        }
    )


def _read(column: EvidentlyColumn, value: float | None) -> EvidentlyColumn:
    if column.threshold is None or value is None:
        return column
    drifted = value < column.threshold if column.direction == "below" else value >= column.threshold
    return column.model_copy(update={"value": value, "drifted": drifted})


def _performance(
    reference: pl.DataFrame, current: pl.DataFrame, prediction: str, label: str, tests: int
) -> EvidentlyColumn:
    """Drop of accuracy; drifted when it is beyond its noise and at least `ACCURACY_DROP`."""
    (right_before, m), (right_now, n) = (_right(f, prediction, label) for f in (reference, current))
    drop = share_difference(right_now, n, right_before, m, EVIDENTLY_ALPHA / tests)
    threshold = max(ACCURACY_DROP, drop.noise)
    return EvidentlyColumn(
        column=label,
        role="performance",
        method="accuracy drop",
        threshold=threshold,
        value=drop.value,
        drifted=drop.value > threshold,
        direction="above",
        reference=m,
        current=n,
    )


def _right(frame: pl.DataFrame, prediction: str, label: str) -> tuple[int, int]:
    known = frame.drop_nulls([prediction, label])
    return int((known[prediction] == known[label]).sum()), known.height


def _sample_note(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    old: pl.DataFrame,
    new: pl.DataFrame,
    sample_rows: int,
    seed: int,
) -> dict[str, Any]:
    return {
        "sample_rows": sample_rows,
        "seed": seed,
        "reference": {"rows": reference.height, "sampled": old.height},
        "current": {"rows": current.height, "sampled": new.height},
    }


def _stated(html: str, sample: dict[str, Any], columns: Sequence[EvidentlyColumn]) -> str:
    """The page with a line on top that says what was sampled, and what was left out and why."""
    lines = [
        f"{side.capitalize()} data: {sample[side]['sampled']:,} of {sample[side]['rows']:,} rows"
        f" (seed {sample['seed']})."
        for side in ("reference", "current")
    ]
    lines += [f"{column.column} was not tested: {column.excluded}." for column in columns if column.excluded]
    head, body, rest = html.partition("<body>")
    return f"{head}{body}<p>{escape(' '.join(lines))}</p>{rest}"
