"""Looks at a table and proposes a project.json for it, with what is doubtful about each column.

Features are numbers, as in `project.json`. Every other column is left out, and the proposal says why: it is
carried through scoring all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import floor, log10
from typing import Any

import numpy as np
import polars as pl

from iris_core.errors import DataRejected
from iris_core.models.holdout import Part
from iris_core.promotion.floor import bounded
from iris_core.promotion.suspicion import SEED, is_almost_all, told_alone
from iris_core.tables import Input, Wanted, is_missing, read
from iris_core.tables.cells import numbers
from iris_core.tables.findings import shown

LEAST_ROWS, LEAST_OF_CLASS = 30, 5
MOST_CLASSES = 50
MOST_MISSING = 0.5
"""Of a feature's cells; a column with more is left out."""
RARE = 0.1
"""Share of the rarest class below which accuracy is no fair metric."""
SAMPLE = 5_000
"""Rows on which a feature is asked for the answer."""
TELLS = 0.95
"""A feature that tells the class gets this share right of the rows that the majority class gets wrong."""
ROOM = 0.5
"""Of the seen range, below and above it: plausible values that the table happens not to have."""
LARGEST_EXACT = 2**53
DATE = re.compile(r"\d{4}-\d\d?-\d\d?|\d\d?[./-]\d\d?[./-]\d{2,4}|\d{4}[./]\d\d?[./]\d\d?")
CODE = re.compile(
    r"(^|[_\s-])(id|zip|plz|postcode|postal|code|phone|tel|fax|ssn|iban|account|nr|no)($|[_\s-])", re.I
)
ID = re.compile(r"(^|[_\s-])(id|key|uuid|guid)($|[_\s-])|[a-z](Id|ID)$", re.I)
LONGEST_KEY = 64
DEFAULT_KEY, OTHER_KEY = "id", "row_id"
BOOLEAN = {"yes", "no", "y", "n", "true", "false", "t", "f", "on", "off"}


@dataclass(frozen=True)
class Proposal:
    """A proposed `project.json`, what was found in each column, and what is doubtful."""

    project: dict[str, Any]
    found: tuple[tuple[str, str], ...]
    doubts: tuple[str, ...]


@dataclass
class _Look:
    """What is decided about the columns, while they are looked at."""

    features: list[dict[str, Any]] = field(default_factory=list)
    found: list[tuple[str, str]] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    key: str = ""

    def leave_out(self, name: str, what: str, doubt: str) -> None:
        self.found.append((name, f"left out: {what}"))
        self.doubts.append(f"{name}: {doubt}")


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
    labelled = frame.filter(~is_missing(frame[target]))
    classes = _classes(given.where, labelled, target)
    look = _Look()
    if missing := frame.height - labelled.height:
        look.doubts.append(
            f"{target}: {missing:,} rows have no class; such a table is refused: leave them out"
        )
    for column in labelled.columns:
        if column == target:
            look.found.append((column, f"the target: {len(classes)} classes"))
        else:
            _decide(look, labelled[column].str.strip_chars())
    if not look.features:
        raise DataRejected(
            f"{given.where} has no column of numbers that could be a feature, and features are numbers. "
            f"{'; '.join(look.doubts)}."
        )
    look.doubts += _tellers(look, labelled, target)
    return Proposal(_project(look, labelled, target, classes, name), tuple(look.found), tuple(look.doubts))


def _text(given: Input) -> pl.DataFrame:
    parts = [batch.text for batch in read(given, Wanted(has_rest=True)).batches()]
    return pl.concat(parts)


def _classes(where: str, frame: pl.DataFrame, target: str) -> tuple[str, ...]:
    """The classes, the most frequent first.

    :raises DataRejected: there are too few rows, or no two classes, or they look like numbers or ids.
    """
    counts = frame[target].str.strip_chars().value_counts(sort=True)
    names, rows = counts[target].to_list(), frame.height
    what = ""
    if rows < LEAST_ROWS:
        what = f"{rows} row{'' if rows == 1 else 's'} with a class; a training table needs {LEAST_ROWS}"
    elif len(names) < 2:
        what = f"one class, {shown(names[0])}; a model needs two to tell apart"
    elif len(names) > MOST_CLASSES:
        values = numbers(pl.DataFrame({"x": counts[target]}))["x"]
        kind = "numbers to be estimated" if not values.null_count() else "ids or free text"
        what = (
            f"{len(names):,} different values, such as {shown(names[0])}: they look like {kind}, not classes"
        )
    if what:
        raise DataRejected(
            f"{where}: column {shown(target)} has {what}. Name another --target, or send more rows."
        )
    return tuple(names)


def _decide(look: _Look, cells: pl.Series) -> None:
    """Decide what one column is."""
    name, known = cells.name, cells.filter(~is_missing(cells))
    rows, distinct = len(cells), known.n_unique()
    absent = rows - len(known)
    if not name or not len(known):
        look.leave_out(name or "a column without a name", "empty", "it has no values")
    elif absent > MOST_MISSING * rows:
        look.leave_out(name, "mostly missing", f"{absent:,} of {rows:,} cells are missing")
    elif distinct == 1:
        look.leave_out(name, "constant", f"every cell is {shown(known[0])}")
    elif numbers(known.to_frame())[name].null_count():
        _decide_text(look, known, rows, distinct)
    else:
        _decide_number(look, known, absent, distinct)


def _decide_text(look: _Look, known: pl.Series, rows: int, distinct: int) -> None:
    name, few = known.name, [shown(cell) for cell in known.unique(maintain_order=True).head(3)]
    share = len(known.filter(known.str.contains(f"^(?:{DATE.pattern})"))) / len(known)
    if share > 0.9:
        look.leave_out(name, "dates", f"dates ({few[0]}): make numbers of them, such as days since a date")
    elif distinct == rows and not look.key and (known.str.len_chars() <= LONGEST_KEY).all():
        look.key = name
        look.found.append((name, "the key: another value in every row"))
    elif {cell.lower() for cell in known.unique().head(3)} <= BOOLEAN:
        look.leave_out(name, "yes or no", f"{' and '.join(few)}: write 0 and 1 to make it a feature")
    elif distinct > 0.5 * len(known):
        look.leave_out(name, "free text or ids", f"{distinct:,} different texts, such as {few[0]}")
    else:
        told = (
            f"{distinct:,} levels of text ({', '.join(few)}): write a column of 0 and 1 for each that matters"
        )
        look.leave_out(name, "a category", told)


def _decide_number(look: _Look, known: pl.Series, absent: int, distinct: int) -> None:
    name, values = known.name, numbers(known.to_frame())[known.name]
    is_whole = bool((values == values.floor()).all())
    has_zeros = bool(known.str.contains(r"^0\d").any())
    is_new = is_whole and distinct == len(known) and not absent
    is_id = is_new and (bool(ID.search(name)) or bool((values.diff().drop_nulls() > 0).all()))
    finite = values.filter(values.is_finite())
    low, high = (float(bound or 0.0) for bound in (finite.min(), finite.max()))  # type: ignore[arg-type]
    if is_id and not look.key and not has_zeros and low >= 0:
        look.key = name
        look.found.append((name, "the key: another whole number in every row"))
    elif has_zeros or CODE.search(name):
        why = "leading zeros" if has_zeros else "its name"
        look.leave_out(name, "a code", f"looks like a code ({why}: {shown(known[0])}), not an amount")
    elif not low < high:
        look.leave_out(name, "constant", f"every number is {low:g}")
    elif is_id:
        look.leave_out(name, "an id", "another whole number in every row: looks like an id, not an amount")
    else:
        look.features.append({"name": name, "type": "number", **_range(low, high)})
        look.found.append((name, f"a number from {low:g} to {high:g}"))
        absent += len(values) - len(finite)
        if is_new:
            look.doubts.append(f"{name}: another whole number in every row: an amount, or an id?")
        look.doubts += [f"{name}: {doubt}" for doubt in _about(absent, distinct, low, high, is_whole)]


def _about(absent: int, distinct: int, low: float, high: float, is_whole: bool) -> Iterator[str]:
    """What is doubtful about a column of numbers that becomes a feature."""
    if absent:
        told = "such a training table is refused; fill them, or leave out the rows"
        yield f"{absent:,} cells are missing or infinite: {told}"
    if max(abs(low), abs(high)) >= LARGEST_EXACT:
        yield f"numbers up to {high:g} are not exact beyond {LARGEST_EXACT:,}; is it an id?"
    if is_whole and 2 < distinct <= 10:
        yield f"{distinct} different whole numbers: an amount, or a code for categories?"


def _range(low: float, high: float) -> dict[str, float]:
    """Plausible values: what was seen with room around it, rounded outwards; not below 0 if nothing was."""
    room = ROOM * (high - low)
    digits = 1 - floor(log10(high - low))
    step = 10.0**-digits
    least, most = floor((low - room) / step) * step, -floor(-(high + room) / step) * step
    return {"min": round(max(0.0, least) if low >= 0 else least, digits), "max": round(most, digits)}


def _tellers(look: _Look, frame: pl.DataFrame, target: str) -> Iterator[str]:
    """Features that alone name the class almost always, in rows that they were not learnt from."""
    names = [each["name"] for each in look.features]
    values = numbers(frame.select(names)).fill_null(0.0).to_pandas().replace([np.inf, -np.inf], 0.0)
    part = bounded(Part(values, frame[target].str.strip_chars().to_pandas()), SEED, SAMPLE)
    for name in names:
        right = told_alone(name, part)
        if right is not None and is_almost_all(right, part, TELLS):
            told = "is it known before the class?"
            yield f"{name}: names the class in {right.mean():.0%} of the rows by itself: {told}"


def _rarest(frame: pl.DataFrame, target: str) -> int:
    """Rows of the rarest class."""
    return int(min(frame[target].str.strip_chars().value_counts()["count"].to_list()))


def _project(
    look: _Look, frame: pl.DataFrame, target: str, classes: Sequence[str], name: str
) -> dict[str, Any]:
    rarest = _rarest(frame, target)
    table: dict[str, Any] = {"features": look.features, "target": target, "classes": list(classes)}
    taken = {target, *(each["name"] for each in look.features)}
    if look.key or DEFAULT_KEY in taken:
        table["key"] = look.key or OTHER_KEY
    if rarest < LEAST_OF_CLASS:
        look.doubts.append(
            f"{target}: a class has {rarest} row{'' if rarest == 1 else 's'}; {LEAST_OF_CLASS} are needed"
        )
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "project"
    slug = slug if slug[0].isalpha() else f"p_{slug}"
    found: dict[str, Any] = {"name": slug, "default_team": "team_a", "tags": [slug], "table": table}
    if rarest < RARE * frame.height:
        look.found.append(("metric", f"balanced accuracy: the rarest class has {rarest / frame.height:.1%}"))
        found |= {"metric": "balanced_accuracy", "model": {"class_weights": "balanced"}}
    return found
