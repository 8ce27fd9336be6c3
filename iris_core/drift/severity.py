"""The level of one column: none < low < medium < high, by the simple statistics and what chance allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from iris_core.drift.beyond import beyond_share
from iris_core.drift.change import Change
from iris_core.drift.constant import changed_share
from iris_core.drift.levels import level_change
from iris_core.drift.location import mean_shift
from iris_core.drift.ranks import Numbers, Pooled, pooled
from iris_core.drift.scale import std_ratio
from iris_core.drift.shape import distribution_distance
from iris_core.drift.share import share_difference
from iris_core.drift.spread import Compared, widened
from iris_core.drift.statistics import FeatureStatistics
from iris_core.drift.thresholds import (
    ALPHA,
    LEVEL,
    MINIMUM_ROWS,
    THRESHOLDS,
    Severity,
    Term,
    Thresholds,
    level,
    rank,
)
from iris_core.errors import DataRejected


@dataclass(frozen=True)
class Column:
    """One column of one side: exact statistics of every row, and the numbers of the sampled rows."""

    statistics: FeatureStatistics
    numbers: Numbers


class MovedLevel(BaseModel):
    """The level of a category whose share of the rows with a value changed most: from `was` to `now`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: str
    was: float
    now: float


class TermEvidence(BaseModel):
    """One term of one column: its value, what chance allows, and the thresholds that gave the level.

    `chance` bounds the probability that any term of a report without drift is as unlikely as this one.
    `moved` is there for categories.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    term: Term
    value: float
    noise: float
    chance: float
    thresholds: Thresholds
    direction: Literal["up", "down"]
    level: Severity
    moved: MovedLevel | None = None

    @model_serializer(mode="wrap")
    def _short(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `moved` where nothing is, as before there were categories."""
        return {name: value for name, value in whole(self).items() if name != "moved" or value}


class ColumnEvidence(BaseModel):
    """One column's level, the term that carried it (None below low), and all terms that could be computed.

    `note` says why a term could not be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    severity: Severity
    carried_by: Term | None = None
    terms: tuple[TermEvidence, ...] = ()
    note: str = ""

    @property
    def carrying(self) -> TermEvidence | None:
        """The evidence of the term that carried the level."""
        return next((term for term in self.terms if term.term == self.carried_by), None)


def column_severity(
    column: str, reference: Column, current: Column, columns: int = 1, spread: float = 0.0
) -> ColumnEvidence:
    """Compare one column.

    :param column: its name.
    :param reference: the column in the training data.
    :param current: the column in the batch.
    :param columns: how many the report is about; its error rates are divided among them.
    :param spread: standard deviation of the batches' means, in those of the rows: what batches differ by
        beyond the chance of independent rows.
    """
    old, new = reference.statistics, current.statistics
    if min(old.rows, new.rows) < MINIMUM_ROWS:
        return ColumnEvidence(column=column, severity="insufficient", note=_too_few(old, new))
    changes = [*share_changes(old, new, columns)]
    rows = pooled(reference.numbers, current.numbers)
    if min(rows.m, rows.n) >= MINIMUM_ROWS:
        changes += _values(old, new, rows, columns)
    compared = Compared(old.rows, new.rows)
    terms = [
        term_evidence(term, widened(change, compared, spread, ALPHA[term] / columns), columns)
        for term, change in changes
    ]
    if old.is_category and min(old.count, new.count) >= MINIMUM_ROWS:
        terms.append(level_evidence("levels", (old, new), compared, columns, spread))
    return carried(column, terms, _note(old, new))


def carried(column: str, terms: Iterable[TermEvidence], note: str = "") -> ColumnEvidence:
    """A column's evidence. The worst term carries it; among equals the first, which is most likely the
    cause."""
    terms = tuple(terms)
    worst = max(terms, key=lambda term: rank(term.level))
    return ColumnEvidence(
        column=column,
        severity=worst.level,
        carried_by=None if worst.level == "none" else worst.term,
        terms=terms,
        note=note,
    )


def term_evidence(
    term: Term,
    change: Change,
    columns: int = 1,
    share: float | None = None,
    thresholds: Thresholds | None = None,
) -> TermEvidence:
    """A change with its level.

    :param term: the term.
    :param change: the change.
    :param columns: how many columns share the term's error rate.
    :param share: the error rate of the term in the report, if not the usual one.
    :param thresholds: the sizes that matter, if not the usual ones.
    """
    alpha, thresholds = (share or ALPHA[term]) / columns, thresholds or THRESHOLDS[term]
    return TermEvidence(
        term=term,
        value=change.value,
        noise=change.noise,
        chance=min(1.0, change.chance * LEVEL / alpha),
        thresholds=thresholds,
        direction="up" if change.value >= 0 else "down",
        level=level(change, thresholds, alpha),
    )


def level_evidence(
    term: Term,
    sides: tuple[FeatureStatistics, FeatureStatistics],
    compared: Compared,
    columns: int,
    spread: float,
) -> TermEvidence:
    """Compare the shares of a category's levels.

    :param term: the term, whose error rate it takes.
    :param sides: reference and batch, or batches; each has a row with a value.
    :param compared: their rows.
    :param columns: how many columns share the term's error rate.
    :param spread: what batches differ by (`spread`).
    """
    reference, current = (side.levels or {} for side in sides)
    alpha = ALPHA[term] / columns
    found = level_change(reference, current, alpha)
    change = widened(found.change, compared, spread, alpha)
    evidence = term_evidence(term, change, columns, thresholds=THRESHOLDS["levels"])
    moved = MovedLevel(level=found.level, was=found.was, now=found.now)
    return evidence.model_copy(update={"moved": moved})


def table_evidence(
    reference: Mapping[str, Column], current: Mapping[str, Column], spread: float = 0.0
) -> tuple[ColumnEvidence, ...]:
    """Compare two tables column by column, in the reference's order.

    :raises DataRejected: the two do not have the same columns.
    """
    if not reference or set(reference) != set(current):
        raise DataRejected(
            f"Reference and current data must have the same features; found {', '.join(reference) or 'none'} "
            f"and {', '.join(current) or 'none'}. Compare with the table that the scored model learnt from.",
            {"reference": list(reference), "current": list(current)},
        )
    other = [n for n in reference if reference[n].statistics.is_category != current[n].statistics.is_category]
    if other:
        raise DataRejected(
            f"{', '.join(other)}: a category in one of the tables, numbers in the other. "
            "Compare with the table that the scored model learnt from."
        )
    return tuple(
        column_severity(name, reference[name], current[name], len(reference), spread) for name in reference
    )


def table_severity(evidence: Iterable[ColumnEvidence]) -> Severity:
    """The worst of the columns' levels; insufficient when no column could be judged."""
    return max((column.severity for column in evidence), key=rank, default="insufficient")


def share_changes(
    reference: FeatureStatistics, current: FeatureStatistics, columns: int
) -> Iterator[tuple[Term, Change]]:
    """Compare the shares of rows without a usable value.

    :param reference: the column in the training data.
    :param current: the column in the batch.
    :param columns: how many columns share the terms' error rates.
    """
    m, n = reference.rows, current.rows
    counted: dict[Term, tuple[int, int]] = {"missing": (reference.missing, current.missing)}
    if not reference.is_category:
        counted["infinite"] = (reference.infinite, current.infinite)
    for term, (was, now) in counted.items():
        yield term, share_difference(was, m, now, n, ALPHA[term] / columns)


def _values(
    reference: FeatureStatistics, current: FeatureStatistics, rows: Pooled, columns: int
) -> Iterator[tuple[Term, Change]]:
    if rows.reference.max() == rows.m:
        yield "changed", changed_share(rows, ALPHA["changed"] / columns)
        return
    yield "mean", mean_shift(reference, current, ALPHA["mean"] / columns, rows)
    yield "range", beyond_share(rows, ALPHA["range"] / columns)
    yield "std", std_ratio(reference, current, ALPHA["std"] / columns, rows)
    yield "shape", distribution_distance(rows, ALPHA["shape"] / columns)


def _too_few(reference: FeatureStatistics, current: FeatureStatistics) -> str:
    side, rows = ("reference", reference.rows) if reference.rows < MINIMUM_ROWS else ("current", current.rows)
    return f"{rows} {side} row{'' if rows == 1 else 's'}, at least {MINIMUM_ROWS} are needed"


def _note(reference: FeatureStatistics, current: FeatureStatistics) -> str:
    for side, statistics in (("reference", reference), ("current", current)):
        if statistics.count < MINIMUM_ROWS:
            return (
                f"only {statistics.count} of {statistics.rows} {side} rows hold a "
                f"{'value' if statistics.is_category else 'number'}: "
                "their distribution is not compared"
            )
    return "constant in the reference" if reference.constant else ""
