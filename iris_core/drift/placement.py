"""Normal scores of rows by their place among the reference's rows. Their statistics merge over batches.

The score of a value is the normal quantile of the share of the reference's rows below it (placements: Orban
and Wolfe, JASA 77, 1982). It depends on the reference only, so scores of batches that were judged at other
times add up. It has no tail, so the t test of its mean holds for every distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import polars as pl
from scipy import special

from iris_core.drift.change import Change
from iris_core.drift.location import standardised, student_chance
from iris_core.drift.ranks import Numbers
from iris_core.drift.statistics import FeatureStatistics, TableStatistics, merge, of_frame


def placement_scores(reference: Numbers, values: Numbers) -> Numbers:
    """The score of each value."""
    ordered = np.sort(reference)
    below, up_to = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return np.asarray(special.ndtri(((below + up_to) / 2 + 0.5) / (len(ordered) + 1)), dtype=np.float64)


def score_statistics(reference: pl.DataFrame, table: pl.DataFrame, names: Sequence[str]) -> TableStatistics:
    """Statistics of the scores of a table's sampled rows, by column. Missing and infinite values stay so."""
    return of_frame(pl.DataFrame([_scored(reference[name], table[name]) for name in names]), names)


def _scored(reference: pl.Series, column: pl.Series) -> pl.Series:
    values = column.cast(pl.Float64).to_numpy()
    known = np.isfinite(values)
    scores = np.where(np.isinf(values), values, np.nan)
    old = reference.cast(pl.Float64).to_numpy()
    scores[known] = placement_scores(old[np.isfinite(old)], values[known])
    return pl.Series(column.name, scores)


def together(batches: Sequence[TableStatistics]) -> TableStatistics:
    """Merge the scores of several batches, by column: of many columns a record holds some."""
    names = dict.fromkeys(name for batch in batches for name in batch)
    return {name: reduce(merge, (batch[name] for batch in batches if name in batch)) for name in names}


def score_shift(reference: FeatureStatistics, current: FeatureStatistics, alpha: float) -> Change:
    """Mean score of batches against that of the reference's own rows, in its standard deviations."""
    value, noise = standardised(reference, current, alpha)
    return Change(value, noise, student_chance(reference, current))
