"""Learns the levels of categories from a training table, where project.json does not list them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import polars as pl

from iris_core.settings.features import MOST_LEVELS, OTHER_LEVEL
from iris_core.settings.project import TableSchema
from iris_core.tables.batch import Wanted
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
    found: dict[str, dict[str, str]] = {name: {} for name in columns}
    for batch in source.each(lambda batch: {name: _different(batch.text[name]) for name in columns}):
        found = {name: _named([*found[name].values(), *batch[name].values()]) for name in columns}
    for one in table.features:
        if one.name in found and one.unseen == "other":
            found[one.name].pop(OTHER_LEVEL, None)
    levels = {name: sorted(named.values()) for name, named in found.items()}
    if findings := [finding for name in columns for finding in _findings(name, levels[name])]:
        raise rejection(given.where, findings)
    return table.with_levels(levels)


def _different(cells: pl.Series) -> dict[str, str]:
    """The levels of a batch's cells, without outer blanks."""
    cells = cells.unique()
    return _named(cells.filter(~is_missing(cells)).str.strip_chars())


def _named(cells: Iterable[str]) -> dict[str, str]:
    """The levels among cells: by what the texts of a level have in common, the first of them in the alphabet.

    Stops at more levels than a category may have.
    """
    named: dict[str, str] = {}
    for cell in cells:
        key = cell.lower() if cell.lower() in ("true", "false") else _whole(cell)
        named[key] = min(cell, named.get(key, cell))
        if len(named) > MOST_LEVELS + 1:
            break
    return named


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
