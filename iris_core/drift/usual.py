"""Counts of a category's usual levels: few enough for a record, and they merge over batches.

Which levels are counted depends on the reference only, like scores of numbers (`placement`). So counts of
batches that were judged at other times add up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from iris_core.drift.levels import REST
from iris_core.drift.statistics import FeatureStatistics, TableStatistics, of_levels
from iris_core.settings.features import OTHER_LEVEL

MOST, FEWEST, IN_ALL = 16, 4, 200
"""Most and fewest levels of a column that are counted, and how many of all columns together."""
LONGEST_LEVEL = 48
"""Characters; what a record has room for, and never cuts."""


def categories(statistics: Mapping[str, FeatureStatistics]) -> list[str]:
    """The columns that are categories or truth values."""
    return [name for name, one in statistics.items() if one.is_category]


def usual_levels(
    reference: Mapping[str, FeatureStatistics], side: Mapping[str, FeatureStatistics]
) -> TableStatistics:
    """Statistics of the categories of a table, the rows of unusual levels counted as `REST`.

    :param reference: statistics of the reference: the levels with most rows there are usual.
    :param side: the statistics to shorten.
    """
    names = categories(reference)
    most = most_levels(len(names))
    return {name: only(side[name], most_rows(reference[name], most)) for name in names}


def shortened(
    reference: Mapping[str, FeatureStatistics], current: Mapping[str, FeatureStatistics]
) -> tuple[TableStatistics, TableStatistics]:
    """Both sides' statistics as a record holds them: of categories, the levels with most rows in the
    reference and those that moved most.

    :param reference: statistics of the training data.
    :param current: the same of the batch.
    """
    most = most_levels(len(categories(reference)))
    old, new = dict(reference), dict(current)
    for name in categories(reference):
        moved = _moved_most(old[name], new[name])[: most // 4]
        kept = [*moved, *(level for level in most_rows(old[name], most) if level not in moved)][:most]
        old[name], new[name] = only(old[name], kept), only(new[name], kept)
    return old, new


def _moved_most(reference: FeatureStatistics, current: FeatureStatistics) -> list[str]:
    """The levels, those whose share changed most first."""
    was, now = (_shares(side) for side in (reference, current))
    change = {level: abs(now.get(level, 0.0) - was.get(level, 0.0)) for level in {*was, *now}}
    return sorted(change, key=lambda level: (-change[level], level))


def _shares(one: FeatureStatistics) -> dict[str, float]:
    return {level: rows / one.count for level, rows in (one.levels or {}).items()}


def most_levels(columns: int) -> int:
    """How many levels of each of so many categories are counted."""
    return max(FEWEST, min(MOST, IN_ALL // max(1, columns)))


def most_rows(one: FeatureStatistics, most: int) -> list[str]:
    """The levels with most rows."""
    levels = one.levels or {}
    return sorted(levels, key=lambda level: (-levels[level], level))[:most]


def only(one: FeatureStatistics, levels: Iterable[str]) -> FeatureStatistics:
    """A category's statistics with these levels; the others are `REST`, but for what is not declared."""
    kept, found = {*levels, OTHER_LEVEL}, dict[str, int]()
    for level, rows in (one.levels or {}).items():
        name = _short(level) if level in kept else REST
        found[name] = found.get(name, 0) + rows
    return of_levels(found, one.missing)


def _short(level: str) -> str:
    """A level's name of at most `LONGEST_LEVEL` characters that stays unique."""
    if len(level) <= LONGEST_LEVEL:
        return level
    digest = hashlib.sha256(level.encode(errors="replace")).hexdigest()[:8]
    return f"{level[: LONGEST_LEVEL - 9]}~{digest}"
