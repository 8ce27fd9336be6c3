"""The steps before a classifier: what makes columns of numbers out of features of all kinds.

A table of numbers that are always there is only scaled. Otherwise a category becomes a column for each level,
and a missing number its column's median, with a column that says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from iris_core.settings.features import Feature
from iris_core.settings.project import TableSchema


def preparation(table: TableSchema, is_scaled: bool) -> list[Any]:
    """The steps for a table's features, not fitted yet.

    :param table: names the features and their kinds.
    :param is_scaled: whether the classifier wants columns of the same size.
    """
    from sklearn.preprocessing import StandardScaler

    if not table.kinds:
        return [StandardScaler()] if is_scaled else []
    return [_split(table, is_scaled)]


def _split(table: TableSchema, is_scaled: bool) -> Any:
    """A ColumnTransformer with a part for each kind."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import StandardScaler

    amounts = [one for one in table.features if one.is_number]
    levels = [one for one in table.features if one.type == "category" or (one.codes and one.may_miss)]
    truths = [one for one in table.features if one.type == "boolean" and not one.may_miss]
    parts = [
        (
            "numbers",
            StandardScaler() if is_scaled else "passthrough",
            [one for one in amounts if not one.may_miss],
        ),
        ("imputed", _imputed(is_scaled), [one for one in amounts if one.may_miss]),
        ("truths", "passthrough", truths),
        ("levels", _one_hot(levels), levels),
    ]
    chosen = [(name, step, [one.name for one in features]) for name, step, features in parts if features]
    return ColumnTransformer(chosen, sparse_threshold=0.0)


def _imputed(is_scaled: bool) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return make_pipeline(imputer, StandardScaler()) if is_scaled else imputer


def _one_hot(features: Sequence[Feature]) -> Any:
    """A column for each code, also for those that a training table happens not to have."""
    import numpy as np
    from sklearn.preprocessing import OneHotEncoder

    codes = [
        np.array([*map(float, range(len(one.codes))), *([np.nan] if one.may_miss else [])])
        for one in features
    ]
    return OneHotEncoder(categories=codes, handle_unknown="ignore", sparse_output=False)
