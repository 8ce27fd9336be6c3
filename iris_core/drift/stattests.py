"""Evidently's own test functions without its report: the same values, hundreds of times faster.

For backtests only. A report of Evidently takes half a second, a backtest needs tens of thousands of them.
That both give the same values is checked against the library (`library_defaults`), by
tests/unit/drift/test_backtest.py and by every run of `make bench-backtest`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import pandas as pd

NUMBER, CATEGORY = "num", "cat"


def defaults(reference: pl.DataFrame, current: pl.DataFrame, categories: Collection[str]) -> dict[str, bool]:
    """Whether each column drifts by Evidently's default method and threshold.

    Missing values are dropped, as Evidently does; a column without values counts as no drift (Evidently
    raises).
    """
    return {name: _default(reference[name], current[name], name in categories) for name in reference.columns}


def _default(reference: pl.Series, current: pl.Series, is_category: bool) -> bool:
    if not reference.count() or not current.count():
        return False
    return _value(_series(reference), _series(current), CATEGORY if is_category else NUMBER, None)[1]


def _value(old: pd.Series, new: pd.Series, kind: str, method: str | None) -> tuple[float, bool]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently.legacy.calculations.stattests import get_stattest
        from evidently.legacy.core import ColumnType

        feature_type = ColumnType(kind)
        test = get_stattest(old, new, feature_type, method)
        found = test(old, new, feature_type, None)
    return float(found.drift_score), bool(found.drifted)


def _series(column: pl.Series) -> pd.Series:
    import pandas as pd

    known = column.fill_nan(None).drop_nulls() if column.dtype.is_float() else column.drop_nulls()
    return pd.Series(known.to_numpy() if known.dtype.is_numeric() else known.to_list(), name=column.name)


def library_defaults(
    reference: pl.DataFrame, current: pl.DataFrame, numbers: Sequence[str], categories: Sequence[str]
) -> dict[str, bool]:
    """As `defaults`, by a whole run of Evidently's default preset."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(numerical_columns=list(numbers), categorical_columns=list(categories))
        names = [name for name in reference.columns if name in {*numbers, *categories}]
        old, new = (
            Dataset.from_pandas(_table(frame.select(names)), data_definition=definition)
            for frame in (reference, current)
        )
        snapshot = Report([DataDriftPreset()], include_tests=True).run(new, old)
        raw: dict[str, Any] = json.loads(snapshot.json())
    status = {test["metric_config"]["metric_id"]: test["status"] for test in raw["tests"]}
    return {
        metric["config"]["column"]: status[metric["id"]] == "FAIL"
        for metric in raw["metrics"]
        if metric["config"]["type"].endswith(":ValueDrift")
    }


def _table(frame: pl.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            column.name: column.to_numpy() if column.dtype.is_numeric() else column.to_list()
            for column in frame.get_columns()
        }
    )
