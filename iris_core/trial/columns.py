"""Decides what each column of a table is: a feature of some kind, the key, or nothing for a model to see."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any

import polars as pl

from iris_core.settings.features import FALSE, LARGEST_BOUND, OTHER_LEVEL, TRUE
from iris_core.settings.project import HOLDOUT, PROBABILITY, WRITTEN
from iris_core.tables import is_missing
from iris_core.tables.cells import numbers
from iris_core.tables.findings import shown
from iris_core.tables.kinds import WORDS

MOST_MISSING = 0.5
"""Of a feature's cells; a column with more is left out."""
NEAR_CONSTANT = 0.99
"""Share of one value from which a feature is doubtful."""
ROOM = 0.5
"""Of the seen range, below and above it: plausible values that the table happens not to have."""
MOST_LEVELS, FEW_LEVELS, LEVELS_SHARE = 100, 5, 0.2
"""A category has at most so many levels, and at most that share of its rows; so few it may always have."""
LEAST_OF_LEVEL = 5
"""Rows; a rarer level counts as other."""
NEARLY = 0.9
"""Share of a column's texts that must look like dates, or like numbers, to be called so."""
LARGEST_EXACT, TOO_LARGE = 2**53, LARGEST_BOUND / 10
LONGEST_KEY = 64
DATE = re.compile(r"\d{4}-\d\d?-\d\d?|\d\d?[./-]\d\d?[./-]\d{2,4}|\d{4}[./]\d\d?[./]\d\d?")
CODE = re.compile(
    r"(^|[_\s-])(id|zip|plz|postcode|postal|code|phone|tel|fax|ssn|iban|account|nr|no)($|[_\s-])", re.I
)
ID = re.compile(r"(^|[_\s-])(id|key|uuid|guid)($|[_\s-])|[a-z](Id|ID)$", re.I)
PHONE = r"^\+?[0-9(][0-9 ()/.-]{5,}$"
"""Phone and account numbers as text: digits in groups."""
WRITTEN_OTHERWISE = r"^[+-]?\d+(,\d+|([.,]\d+)?\s*(%|°|€|\$|£|[A-Za-z°]{1,3}))$"
"""Numbers with a decimal comma, a percent sign or a unit."""
FEW_NUMBERS = 20
"""So few different ones may be levels, such as 1st, 2nd and 3rd."""
IMPUTE = {"missing": "impute"}
CELL, ROWS = "cell", "rows"


@dataclass(frozen=True)
class Inferred:
    """What a column is, in words; what is doubtful; what project.json says of it, if it is a feature."""

    name: str
    what: str
    doubts: tuple[str, ...] = ()
    feature: dict[str, Any] | None = None
    is_key: bool = False


def left_out(name: str, what: str, doubt: str) -> Inferred:
    """A column that no model should see."""
    return Inferred(name, f"left out: {what}", (f"{name}: {doubt}",))


def is_written(name: str) -> bool:
    """Whether scoring adds a column of this name."""
    return name in WRITTEN or name.startswith(PROBABILITY.format(""))


def infer(cells: pl.Series, needs_key: bool) -> Inferred:
    """Decide what a column is.

    :param cells: its cells as text, without outer blanks.
    :param needs_key: whether it may be the key: no column before it is.
    """
    name, known = cells.name, cells.filter(~is_missing(cells))
    if is_written(name):
        return left_out(
            name, "a column that scoring writes", "rename it: scoring refuses a table that has it"
        )
    if name == HOLDOUT:
        return left_out(name, "a name that model profiles need", "rename it to make it a feature")
    absent = len(cells) - len(known)
    if not name or not len(known):
        return left_out(name or "a column without a name", "empty", "it has no values")
    if absent > MOST_MISSING * len(cells):
        return left_out(name, "mostly missing", f"{absent:,} of {len(cells):,} cells are missing")
    if known.n_unique() == 1:
        return left_out(name, "constant", f"every cell is {shown(known[0])}")
    values = numbers(known.to_frame())[name]
    inferred = (
        _text(known, values, absent, needs_key)
        if values.null_count()
        else _number(known, values, absent, needs_key)
    )
    if inferred.feature is None:
        return inferred
    return Inferred(name, inferred.what, (*inferred.doubts, *_common(known)), inferred.feature)


def _common(known: pl.Series) -> Iterator[str]:
    cell, rows = rows_of_cells(known).row(0)
    if (share := rows / len(known)) >= NEAR_CONSTANT:
        yield f"{known.name}: near-constant: {share:.1%} of its cells are {shown(cell)}"


def rows_of_cells(cells: pl.Series) -> pl.DataFrame:
    """Columns `CELL` and `ROWS`: each different cell, the most frequent first."""
    # polars would name the columns as the table does: its own may be called count.
    return cells.alias(CELL).value_counts(sort=True, name=ROWS)


def _text(known: pl.Series, values: pl.Series, absent: int, needs_key: bool) -> Inferred:
    name, distinct = known.name, known.n_unique()
    some = ", ".join(shown(cell) for cell in known.unique(maintain_order=True).head(3))
    if known.str.contains(f"^(?:{DATE.pattern})").mean() > NEARLY:  # type: ignore[operator]
        return left_out(name, "dates", f"dates ({some}): make numbers of them, such as days since a date")
    if values.is_not_null().mean() > NEARLY:  # type: ignore[operator]
        odd = known.filter(values.is_null())
        told = f"numbers, but {len(odd):,} cells are none, such as {shown(odd[0])}: correct them"
        return left_out(name, "not all numbers", told)
    if known.str.contains(PHONE).mean() > NEARLY and not ID.search(name):  # type: ignore[operator]
        return left_out(name, "a code", f"looks like phone numbers or codes ({some}), not amounts")
    if distinct > FEW_NUMBERS and known.str.contains(WRITTEN_OTHERWISE).mean() > NEARLY:  # type: ignore[operator]
        told = f"numbers with a unit, or a comma for the point ({some}): write the number alone, with a point"
        return left_out(name, "numbers that are written otherwise", told)
    if distinct == len(known) and needs_key and not absent and known.str.len_chars().max() <= LONGEST_KEY:  # type: ignore[operator]
        return Inferred(name, "the key: another value in every row", is_key=True)
    words = {WORDS.get(cell.lower(), cell.lower()) for cell in known.unique().head(20)}
    if words == {FALSE, TRUE}:
        return _truth(known, absent)
    if distinct > max(FEW_LEVELS, LEVELS_SHARE * len(known)):
        return left_out(name, "free text or ids", f"{distinct:,} different texts, such as {some}")
    if distinct > MOST_LEVELS:
        told = (
            f"{distinct:,} levels, such as {some}: join those that mean the same, {MOST_LEVELS} are handled"
        )
        return left_out(name, "too many levels", told)
    return _category(known, absent)


def _truth(known: pl.Series, absent: int) -> Inferred:
    name, some = known.name, " and ".join(shown(cell) for cell in sorted(known.unique())[:4])
    doubts = (f"{name}: {_cells(absent)} missing: a level of its own",) if absent else ()
    return Inferred(
        name, f"true or false ({some})", doubts, {"name": name, "type": "boolean", **_missing(absent)}
    )


def _category(known: pl.Series, absent: int) -> Inferred:
    name, counts, has_other = known.name, rows_of_cells(known), OTHER_LEVEL in known
    counts = counts.filter(pl.col(CELL) != OTHER_LEVEL)
    often = counts.filter(pl.col(ROWS) >= LEAST_OF_LEVEL)[CELL].to_list()
    rare = [level for level in counts[CELL].to_list() if level not in {*often}]
    if not often or len(often) + has_other < 2:
        return left_out(name, "a category of rare levels", f"{len(rare):,} levels with fewer than 5 rows")
    doubts = [f"{name}: {_cells(absent)} missing: a level of its own"] if absent else []
    if rare:
        few = ", ".join(map(shown, rare[:3]))
        doubts.append(f"{name}: {_levels(rare)} with fewer than {LEAST_OF_LEVEL} rows ({few}): other")
    feature = {
        "name": name,
        "type": "category",
        "levels": sorted(often),
        **_missing(absent),
        "unseen": "other",
    }
    return Inferred(
        name,
        f"a category with {len(often):,} levels; any other level counts as other",
        tuple(doubts),
        feature,
    )


def _cells(count: int) -> str:
    return "1 cell is" if count == 1 else f"{count:,} cells are"


def _levels(names: Sequence[str]) -> str:
    return "1 level" if len(names) == 1 else f"{len(names):,} levels"


def _missing(absent: int) -> dict[str, str]:
    return IMPUTE if absent else {}


def _number(known: pl.Series, values: pl.Series, absent: int, needs_key: bool) -> Inferred:
    name, distinct = known.name, known.n_unique()
    is_whole = bool((values == values.floor()).all())
    has_zeros = bool(known.str.contains(r"^0\d").any())
    is_new = is_whole and distinct == len(known) and not absent
    is_id = is_new and (bool(ID.search(name)) or bool((values.diff().drop_nulls() > 0).all()))
    finite = values.filter(values.is_finite())
    low, high = (float(bound or 0.0) for bound in (finite.min(), finite.max()))  # type: ignore[arg-type]
    if is_id and needs_key and not has_zeros and low >= 0:
        return Inferred(name, "the key: another whole number in every row", is_key=True)
    if {*values.unique().head(3)} == {0.0, 1.0}:
        return _truth(known, absent)
    if has_zeros or (is_whole and CODE.search(name)):
        why = "leading zeros" if has_zeros else "its name"
        told = (
            f"looks like a code ({why}: {shown(known[0])}), not an amount; if few values matter, a category"
        )
        return left_out(name, "a code", told)
    if not low < high:
        return left_out(name, "constant", f"every number is {low:g}")
    if max(abs(low), abs(high)) > TOO_LARGE:
        return left_out(
            name, "too large", f"numbers up to {high:g}: too large to learn from; take their logarithm"
        )
    if is_id:
        return left_out(name, "an id", "another whole number in every row: looks like an id, not an amount")
    kind = "integer" if is_whole else "number"
    feature = {"name": name, "type": kind, **_range(low, high, is_whole), **_missing(absent)}
    doubts = [f"{name}: another whole number in every row: an amount, or an id?"] if is_new else []
    doubts += [
        f"{name}: {told}"
        for told in _doubts(absent, len(values) - len(finite), distinct, low, high, is_whole)
    ]
    said = f"a whole number from {low:g} to {high:g}" if is_whole else f"a number from {low:g} to {high:g}"
    return Inferred(name, said, tuple(doubts), feature)


def _doubts(
    absent: int, infinite: int, distinct: int, low: float, high: float, is_whole: bool
) -> Iterator[str]:
    """What is doubtful about a column of numbers that becomes a feature."""
    if absent:
        yield f"{_cells(absent)} missing: their median and an indicator stand in; is missing normal?"
    if infinite:
        yield f"{_cells(infinite)} infinite: such a training table is refused; correct them"
    if max(abs(low), abs(high)) >= LARGEST_EXACT:
        yield f"numbers up to {high:g} are not exact beyond {LARGEST_EXACT:,}; is it an id?"
    if is_whole and 2 < distinct <= 10:
        yield f"{distinct} different whole numbers: an amount, or a code for categories?"


def _range(low: float, high: float, is_whole: bool) -> dict[str, float]:
    """Plausible values: what was seen with room around it, rounded outwards; not below 0 if nothing was."""
    room = ROOM * (high - low)
    digits = min(1 - floor(log10(high - low)), 0 if is_whole else 400)
    step = 10.0**-digits
    least, most = floor((low - room) / step) * step, -floor(-(high + room) / step) * step
    return {"min": round(max(0.0, least) if low >= 0 else least, digits), "max": round(most, digits)}
