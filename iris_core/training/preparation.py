"""The steps before a classifier: what makes columns of numbers out of features of all kinds.

A table of numbers that are always there is only scaled. Otherwise a category becomes a column for each level,
and a missing number its column's median, with a column that says so.
"""

from __future__ import annotations

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

    number = StandardScaler() if is_scaled else "passthrough"
    parts = [
        ("numbers", number, [one.name for one in table.features if one.is_number and not _may_miss(one)]),
        (
            "imputed",
            _imputed(is_scaled),
            [one.name for one in table.features if one.is_number and _may_miss(one)],
        ),
        ("truths", "passthrough", [one.name for one in table.features if _is_plain_truth(one)]),
        ("levels", _one_hot(table), [one.name for one in table.features if _has_levels(one)]),
    ]
    return ColumnTransformer([part for part in parts if part[2]], sparse_threshold=0.0)


def _may_miss(feature: Feature) -> bool:
    return feature.missing == "impute"


def _is_plain_truth(feature: Feature) -> bool:
    return feature.type == "boolean" and not _may_miss(feature)


def _has_levels(feature: Feature) -> bool:
    return bool(feature.codes) and not _is_plain_truth(feature)


def _imputed(is_scaled: bool) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return make_pipeline(imputer, StandardScaler()) if is_scaled else imputer


def _one_hot(table: TableSchema) -> Any:
    """A column for each code, also for those that a training table happens not to have."""
    import numpy as np
    from sklearn.preprocessing import OneHotEncoder

    codes = [
        np.array([*map(float, range(len(one.codes))), *([np.nan] if _may_miss(one) else [])])
        for one in table.features
        if _has_levels(one)
    ]
    return OneHotEncoder(categories=codes, handle_unknown="ignore", sparse_output=False)
