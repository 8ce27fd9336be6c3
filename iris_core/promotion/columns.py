"""Computes the means of a table's columns, and the range in which each mean is typical."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from iris_core.ledger.records.gate import STANDARD_ERRORS, ColumnPlacement
from iris_core.models.holdout import Part, Split
from iris_core.settings.features import Feature
from iris_core.settings.project import TableSchema

if TYPE_CHECKING:
    import pandas as pd

TYPICAL_STDS = 0.75
"""Standard deviations of the champion's training rows by which a mean may differ from theirs, where
project.json declares no range. Iris in inches differs by 0.96 or more, with two columns swapped by 1.4."""


def _balanced_means(part: Part) -> tuple[pd.Series[float], pd.Series[float]]:
    """Each feature's mean with equal weight for every class, and the mean's standard error.

    The spread of the rows around their class's mean is pooled over the classes. So a class with one row has
    an error, too: that of one row.
    """
    labels = part.labels.to_numpy(str)
    groups = part.features.groupby(labels)
    counts = groups.size()
    free = max(1, len(part) - len(counts))
    pooled = ((part.features - groups.transform("mean")) ** 2).sum() / free
    error = (pooled * (1 / counts).sum()) ** 0.5 / len(counts)
    return groups.mean().mean(), error


def typical_of(part: Part) -> dict[str, tuple[float, float]]:
    """The range in which each column's mean is typical, judged by the rows of one table."""
    means, errors = _balanced_means(part)
    spread = part.features.std() * TYPICAL_STDS + errors * STANDARD_ERRORS
    return {
        str(name): (float(means[name] - spread[name]), float(means[name] + spread[name]))
        for name in means.index
    }


def columns_of(
    table: TableSchema, parts: Split, by_champion: Mapping[str, tuple[float, float]]
) -> Iterator[ColumnPlacement]:
    """The mean of every number in either part of a table, and the range in which it is typical.

    :param table: names the features; the ranges that it declares come first.
    :param parts: the training rows and the holdout.
    :param by_champion: ranges by the champion's training rows (`typical_of`).
    """
    named: list[tuple[Literal["training", "holdout"], Part]] = [
        ("training", parts.learned),
        ("holdout", parts.holdout),
    ]
    for part, rows in named:
        means, errors = _balanced_means(rows)
        for feature in (each for each in table.features if each.is_number):
            mean, error = float(means[feature.name]), float(errors[feature.name])
            yield _column_evidence(feature, part, (mean, error), by_champion.get(feature.name))


def _column_evidence(
    feature: Feature,
    part: Literal["training", "holdout"],
    mean: tuple[float, float],
    by_champion: tuple[float, float] | None,
) -> ColumnPlacement:
    low, high = feature.typical_min, feature.typical_max
    is_declared = low is not None or high is not None
    if not is_declared and by_champion:
        low, high = by_champion
    return ColumnPlacement(
        name=feature.name,
        part=part,
        mean=mean[0],
        standard_error=mean[1],
        unit=feature.unit,
        typical_min=low,
        typical_max=high,
        according_to="project.json" if is_declared else "the champion's training rows" if by_champion else "",
    )
