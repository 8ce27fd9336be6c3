"""Learns the levels of categories from a training table, where project.json does not list them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from iris_core.settings.features import MOST_LEVELS, OTHER_LEVEL
from iris_core.settings.project import TableSchema
from iris_core.tables.batch import Batch, Wanted
from iris_core.tables.cells import is_missing
from iris_core.tables.findings import Finding, rejection, shown
from iris_core.tables.inputs import Input
from iris_core.tables.reading import read

LONGEST_LEVEL = 200
"""Characters; longer texts are no categories, and every model keeps its levels."""


def with_learnt_levels(given: Input, table: TableSchema) -> TableSchema:
    """A table's schema with the levels of a training table, in the order of the alphabet.

    They follow from the bytes and the schema alone. `1` and `1.0` are one level, and so are `True` and
    `TRUE`. Reads the table only if a category has no levels yet.

    :param given: the training table's bytes.
    :param table: the schema of the table.
    :raises DataRejected: a category has no value, too many levels, or one that is too long; or the table
        cannot be read.
    """
    if not table.unlisted:
        return table
    source = read(given, Wanted(text=table.unlisted))
    columns = [name for name in table.unlisted if name in source.columns]
    found: dict[str, set[str]] = {name: set() for name in columns}
    for batch in source.each(lambda batch: _different(batch, columns)):
        for name, cells in batch.items():
            if len(found[name]) <= MOST_LEVELS + 1:
                found[name].update(cells)
    for one in table.features:
        if one.name in found and one.unseen == "other":
            found[one.name].discard(OTHER_LEVEL)
    levels = {name: _levels(cells) for name, cells in found.items()}
    if findings := [finding for name in columns for finding in _findings(name, levels[name])]:
        raise rejection(given.where, findings)
    return table.with_levels(levels)


def _different(batch: Batch, columns: Iterable[str]) -> dict[str, list[str]]:
    """The different values of each column, without outer blanks; the first ones that are too many."""
    found = {}
    for name in columns:
        cells = batch.text[name].unique()
        known = cells.filter(~is_missing(cells)).str.strip_chars()
        found[name] = known.head(MOST_LEVELS + 2).to_list()
    return found


def _levels(cells: Iterable[str]) -> list[str]:
    named: dict[str, str] = {}
    for cell in sorted(cells):
        named.setdefault(cell.lower() if cell.lower() in ("true", "false") else _whole(cell), cell)
    return sorted(named.values())


def _whole(cell: str) -> str:
    return re.sub(r"^(-?\d+)\.0+$", r"\1", cell)


def _findings(name: str, levels: list[str]) -> Iterable[Finding]:
    longest = max(levels, key=len, default="")
    if not levels:
        expected = "levels to learn, since project.json lists none"
        yield Finding(check="no_category", column=name, count=1, found="no value", expected=expected)
    elif len(levels) > MOST_LEVELS:
        found, expected = f"over {MOST_LEVELS:,} different values", f"at most {MOST_LEVELS:,} levels"
        yield Finding(check="no_category", column=name, count=1, found=found, expected=expected)
    elif len(longest) > LONGEST_LEVEL:
        found = f"{shown(longest)}, which has {len(longest):,} characters"
        expected = f"levels of at most {LONGEST_LEVEL} characters"
        yield Finding(check="no_category", column=name, count=1, found=found, expected=expected)
