"""Looks at a table and proposes a project.json for it, with what is doubtful about each column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import polars as pl

from iris_core.errors import DataRejected
from iris_core.models.holdout import Part
from iris_core.promotion.floor import bounded
from iris_core.promotion.suspicion import SEED, is_almost_all, told_alone
from iris_core.settings.features import TRUE, Feature
from iris_core.tables import Input, Wanted, is_missing, read
from iris_core.tables.cells import numbers
from iris_core.tables.findings import shown
from iris_core.tables.kinds import WORDS, Kinds
from iris_core.trial.columns import CELL, Inferred, infer, is_written, rows_of_cells

LEAST_ROWS, LEAST_OF_CLASS = 30, 5
MOST_CLASSES = 50
RARE = 0.1
"""Share of the rarest class below which accuracy is no fair metric."""
SAMPLE = 5_000
"""Rows on which a feature is asked for the answer."""
TELLS = 0.95
"""A feature that tells the class gets this share right of the rows that the majority class gets wrong."""
DEFAULT_KEY = "id"
NAMES_YES = {TRUE, "1", "positive", "malignant"}


@dataclass(frozen=True)
class Proposal:
    """A proposed `project.json`, what was found in each column, and what is doubtful."""

    project: dict[str, Any]
    found: tuple[tuple[str, str], ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class _Target:
    """The rows that have a class, and the classes with their rows, the most frequent first."""

    name: str
    rows: pl.DataFrame
    counts: dict[str, int]

    @property
    def labels(self) -> pl.Series:
        return self.rows[self.name].str.strip_chars()

    @property
    def rarest(self) -> int:
        return min(self.counts.values())


def propose(given: Input, target: str, name: str) -> Proposal:
    """Propose a `project.json` for a table.

    :param given: the table's bytes; the whole table is held in memory.
    :param target: the column with the class.
    :param name: a name for the project; made to fit.
    :raises DataRejected: the table cannot be read, has no such column, or has no classes to learn.
    """
    frame = _text(given)
    if target not in frame.columns:
        names = ", ".join(map(shown, frame.columns[:20]))
        raise DataRejected(f"{given.where} has no column {shown(target)}. --target names one of {names}.")
    if is_written(target):
        raise DataRejected(f"{given.where}: scoring writes a column {shown(target)}. Rename the target's.")
    labelled = _target(given.where, frame, target)
    columns = _columns(labelled)
    features = [column.feature for column in columns if column.feature]
    doubts = [*_missing_labels(target, frame.height - labelled.rows.height)]
    doubts += [doubt for column in columns for doubt in column.doubts]
    if not features:
        raise DataRejected(f"{given.where} has no column that could be a feature. {'; '.join(doubts)}.")
    doubts += [*_tellers(features, labelled), *_small_class(labelled)]
    project = _project(columns, labelled, name)
    return Proposal(project, tuple(_found(columns, labelled, project, frame.columns)), tuple(doubts))


def _text(given: Input) -> pl.DataFrame:
    """The whole table as text.

    :raises DataRejected: the table cannot be read, or a row repeats its header.
    """
    batches = [*read(given, Wanted(has_rest=True)).batches()]
    for batch in batches:
        names = [pl.col(name).str.strip_chars() == name.strip() for name in batch.text.columns]
        if rows := batch.rows(batch.text.select(pl.all_horizontal(names)).to_series(), 1):
            raise DataRejected(f"{given.where}, row {rows[0]}: the header again. Delete the row.")
    return pl.concat(batch.text for batch in batches)


def _target(where: str, frame: pl.DataFrame, target: str) -> _Target:
    """The rows with a class.

    :raises DataRejected: there are too few rows, or no two classes, or they look like numbers or ids.
    """
    rows = frame.filter(~is_missing(frame[target]))
    counts = rows_of_cells(rows[target].str.strip_chars())
    names, what = counts[CELL].to_list(), ""
    if rows.height < LEAST_ROWS:
        plural = "" if rows.height == 1 else "s"
        what = f"{rows.height} row{plural} with a class; a training table needs {LEAST_ROWS}"
    elif len(names) < 2:
        what = f"one class, {shown(names[0])}; a model needs two to tell apart"
    elif len(names) > MOST_CLASSES:
        values = numbers(pl.DataFrame({"x": names}))["x"]
        kind = "numbers to be estimated" if not values.null_count() else "ids or free text"
        what = (
            f"{len(names):,} different values, such as {shown(names[0])}: they look like {kind}, not classes"
        )
    if what:
        raise DataRejected(
            f"{where}: column {shown(target)} has {what}. Name another --target, or send more rows."
        )
    return _Target(target, rows, dict(counts.iter_rows()))


def _columns(target: _Target) -> list[Inferred]:
    """What every column but the target is."""
    found: list[Inferred] = []
    for name in target.rows.columns:
        if name != target.name:
            needs_key = not any(column.is_key for column in found)
            found.append(infer(target.rows[name].str.strip_chars(), needs_key))
    return found


def _missing_labels(target: str, missing: int) -> Iterator[str]:
    if missing:
        yield f"{target}: {missing:,} rows have no class; such a table is refused: leave them out"


def _small_class(target: _Target) -> Iterator[str]:
    if target.rarest < LEAST_OF_CLASS:
        plural = "" if target.rarest == 1 else "s"
        yield f"{target.name}: a class has {target.rarest} row{plural}; {LEAST_OF_CLASS} are needed"


def _tellers(features: Sequence[dict[str, Any]], target: _Target) -> Iterator[str]:
    """Features that alone name the class almost always, in rows that they were not learnt from."""
    kinds = {each["name"]: Feature.model_validate(each) for each in features}
    values = Kinds(kinds).read(target.rows.select([*kinds])).to_pandas().replace([np.inf, -np.inf], np.nan)
    part = bounded(Part(values, target.labels.to_pandas()), SEED, SAMPLE)
    for name in kinds:
        right = told_alone(name, part)
        if right is not None and is_almost_all(right, part, TELLS):
            told = "is it known before the class?"
            yield f"{name}: names the class in {right.mean():.0%} of the rows by itself: {told}"


def _project(columns: Sequence[Inferred], target: _Target, name: str) -> dict[str, Any]:
    features = [column.feature for column in columns if column.feature]
    table: dict[str, Any] = {"features": features, "target": target.name, "classes": [*target.counts]}
    key = next((column.name for column in columns if column.is_key), "")
    taken = {target.name, *(each["name"] for each in features)}
    if key or DEFAULT_KEY in taken:
        table["key"] = key or next(name for name in _other_keys() if name not in taken)
    others = {*target.rows.columns} - {table.get("key", DEFAULT_KEY)}
    left_out = [column.name for column in columns if not (column.feature or column.is_key)]
    if ignored := [name for name in left_out if name in others and not is_written(name)]:
        table["ignored"] = ignored
    if len(target.counts) == 2:
        table["positive"] = _positive(target)
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "project"
    slug = slug if slug[0].isalpha() else f"p_{slug}"
    project: dict[str, Any] = {"name": slug, "default_team": "team_a", "tags": [slug], "table": table}
    if target.rarest < RARE * target.rows.height:
        project |= {"metric": "balanced_accuracy", "model": {"class_weights": "balanced"}}
    return project


def _other_keys() -> Iterator[str]:
    """Names for the key, where a feature or the target has the usual one."""
    yield "row_id"
    yield from (f"row_id_{number}" for number in count(2))


def _positive(target: _Target) -> str:
    """The class that one looks for: the one that says yes, else the rarer one."""
    says_yes = [name for name in target.counts if WORDS.get(name.lower(), name.lower()) in NAMES_YES]
    return says_yes[0] if len(says_yes) == 1 else min(target.counts, key=lambda name: target.counts[name])


def _found(
    columns: Sequence[Inferred], target: _Target, project: dict[str, Any], names: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """What was found, in the table's order of columns."""
    others = iter(columns)
    for name in names:
        if name == target.name:
            yield name, f"the target: {len(target.counts)} classes"
        else:
            column = next(others)
            yield column.name, column.what
    if positive := project["table"].get("positive"):
        yield "positive class", f"{positive}: precision and recall are those of this one"
    if "metric" in project:
        share = target.rarest / target.rows.height
        yield "metric", f"balanced accuracy: the rarest class has {share:.1%}"
