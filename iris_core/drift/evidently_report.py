"""Evidently's tests per column, and its HTML, with the methods that `evidently_plan` pins."""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import polars as pl

from iris_core.drift.evidently_plan import PAGE_ROWS, EvidentlyColumn, planned, with_value
from iris_core.drift.statistics import Codes
from iris_core.drift.thresholds import MINIMUM_ROWS
from iris_core.errors import IrisError

log = logging.getLogger(__name__)

PANIC = "PanicException"
"""How Rust's panics come out of polars: no `Exception`, and no type to import."""

_DATA = re.compile(r"^ *var \w+ = [\[{].*;$", re.MULTILINE)
"""The page's data, as JSON in a script: two lines, before anything else of JavaScript."""


@dataclass(frozen=True)
class EvidentlyReport:
    """Evidently's results (`json`), its page (`html`, renders offline) and our reading of each column.

    `json["iris"]` states the sample: rows, sampled rows, seed. `trouble` says why there is no report.
    """

    json: dict[str, Any]
    html: str
    columns: tuple[EvidentlyColumn, ...]
    trouble: str = ""


def evidently_report(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    features: Sequence[str],
    *,
    prediction: str | None = "prediction",
    label: str | None = None,
    codes: Codes | None = None,
    sample_rows: int = PAGE_ROWS,
    seed: int = 0,
) -> EvidentlyReport:
    """Run Evidently on two tables.

    :param features: columns of numbers or codes, in both tables.
    :param prediction: the predicted class's column, in both tables; None: there is none.
    :param label: the true class's column; accuracy is on the page where both tables have it.
    :param codes: those of the features that hold codes; they are shown by level.
    :raises DataRejected: a column is missing, or a feature does not hold numbers.
    """
    labelled = label if prediction and label and _labelled(reference, current, label) else None
    plan = planned(reference, current, features, prediction, labelled, codes or {}, sample_rows, seed)
    old, new = plan.reference, plan.current
    raw, html = _run(old, new, plan.tests, prediction, labelled)
    values = {
        metric["config"]["column"]: metric["value"]
        for metric in raw["metrics"]
        if metric["config"]["type"].endswith(":ValueDrift")
    }
    columns = [with_value(column, values.get(column.column)) for column in plan.tests]
    sample = _sample_note(reference, current, old, new, sample_rows, seed)
    return EvidentlyReport({**raw, "iris": sample}, _stated(html, sample, columns), tuple(columns))


def report_or_reason(
    reference: pl.DataFrame, current: pl.DataFrame, features: Sequence[str], **options: Any
) -> EvidentlyReport:
    """As `evidently_report`; where Evidently fails, for whatever reason, an empty report that says why.

    The verdict does not need the report, so nothing that Evidently does may cost it.

    :param options: the keyword arguments of `evidently_report`.
    """
    try:
        return evidently_report(reference, current, features, **options)
    except Exception as error:  # noqa: BLE001  what the data make a library of this size run into
        return _unmade(error)
    except BaseException as error:
        if type(error).__name__ != PANIC:
            raise
        return _unmade(error)


def _unmade(error: BaseException) -> EvidentlyReport:
    log.warning("Evidently's report could not be made.", exc_info=error)
    trouble = f"{type(error).__name__}: {error}"
    words = f"Evidently's page could not be made: {escape(trouble)}"
    page = f"<!doctype html><title>No report</title><body><p>{words}</p></body>"
    return EvidentlyReport({"trouble": trouble}, page, (), trouble)


def _labelled(reference: pl.DataFrame, current: pl.DataFrame, label: str) -> bool:
    return all(
        label in frame.columns and frame[label].count() >= MINIMUM_ROWS for frame in (reference, current)
    )


def _run(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    tests: Sequence[EvidentlyColumn],
    prediction: str | None,
    label: str | None,
) -> tuple[dict[str, Any], str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.core.datasets import MulticlassClassification
        from evidently.metrics import Accuracy, RowCount, ValueDrift

        tested = [column for column in tests if not column.excluded]
        metrics: list[Any] = [
            ValueDrift(column=column.column, method=column.method, threshold=column.threshold)
            for column in tested
        ]
        tasks = []
        # With exactly two classes Evidently takes one that is named 1 for the positive one, and fails
        # without it.
        if prediction and label and _several(reference, current, (prediction, label)):
            tasks.append(MulticlassClassification(target=label, prediction_labels=prediction))
            metrics.append(Accuracy())
        classes = [name for name in (prediction, label) if name]
        names = list(dict.fromkeys([column.column for column in tested] + classes))
        definition = DataDefinition(
            numerical_columns=[name for name in names if reference[name].dtype.is_numeric()],
            categorical_columns=[name for name in names if not reference[name].dtype.is_numeric()],
            classification=tasks,
        )
        new, old = (
            Dataset.from_pandas(_pandas(frame.select(names)), data_definition=definition)
            for frame in (current, reference)
        )
        snapshot = Report([RowCount(), *metrics], include_tests=True).run(new, old)
        return json.loads(snapshot.json()), inert(snapshot.get_html_str(as_iframe=False))


def _several(reference: pl.DataFrame, current: pl.DataFrame, columns: Sequence[str]) -> bool:
    """Whether there are more than two classes."""
    found = [frame[name] for frame in (reference, current) for name in columns]
    return pl.concat([column.rename("") for column in found]).drop_nulls().n_unique() > 2


def inert(html: str) -> str:
    """Evidently's page with its data unable to end the script that holds it.

    Names of columns and classes come with what is uploaded, and Evidently writes them as they are.

    :raises IrisError: the page is not built as Evidently 0.7 builds it.
    """
    safe, found = _DATA.subn(lambda line: line[0].replace("<", r"\u003c").replace(">", r"\u003e"), html, 2)
    if found != 2:
        raise IrisError(
            "Evidently's page has no data where it was expected: use evidently 0.7.23 or newer 0.7."
        )
    return safe


def _pandas(frame: pl.DataFrame) -> Any:
    import pandas as pd

    return pd.DataFrame(
        {
            name: frame[name].to_numpy() if frame[name].dtype.is_numeric() else frame[name].to_list()
            for name in frame.columns
        }
    )


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
