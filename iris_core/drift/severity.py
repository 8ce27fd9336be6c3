"""The basic severity level: none < low < medium < high, from the simple statistics alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from iris_core.drift.change import Change
from iris_core.drift.constant import changed_share
from iris_core.drift.extent import range_excess
from iris_core.drift.location import mean_shift
from iris_core.drift.scale import std_ratio
from iris_core.drift.share import share_difference
from iris_core.drift.statistics import FeatureStatistics
from iris_core.drift.thresholds import (
    ALPHA,
    MINIMUM_ROWS,
    THRESHOLDS,
    Severity,
    Term,
    Thresholds,
    level,
    rank,
)
from iris_core.errors import DataRejected

Statistic = Callable[[FeatureStatistics, FeatureStatistics, float], Change | None]


class TermEvidence(BaseModel):
    """One term of one column: its value, what chance allows, and the thresholds that gave the level."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    term: Term
    value: float
    noise: float
    thresholds: Thresholds
    direction: Literal["up", "down"]
    level: Severity


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
    column: str, reference: FeatureStatistics, current: FeatureStatistics, columns: int = 1
) -> ColumnEvidence:
    """Compare one column; error rates are those of a report about `columns` columns."""
    if min(reference.rows, current.rows) < MINIMUM_ROWS:
        return ColumnEvidence(column=column, severity="insufficient", note=_too_few(reference, current))
    changes = [*_shares(reference, current, columns), *_values(reference, current, columns)]
    terms = tuple(_judged(term, change) for term, change in changes)
    worst = max(terms, key=lambda term: rank(term.level))  # the first of equals: most likely the cause
    return ColumnEvidence(
        column=column,
        severity=worst.level,
        carried_by=None if worst.level == "none" else worst.term,
        terms=terms,
        note=_note(reference, current),
    )


def table_evidence(
    reference: Mapping[str, FeatureStatistics], current: Mapping[str, FeatureStatistics]
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
    return tuple(column_severity(name, reference[name], current[name], len(reference)) for name in reference)


def table_severity(evidence: Iterable[ColumnEvidence]) -> Severity:
    """The worst of the columns' levels; insufficient when no column could be judged."""
    return max((column.severity for column in evidence), key=rank, default="insufficient")


def _shares(
    reference: FeatureStatistics, current: FeatureStatistics, columns: int
) -> Iterator[tuple[Term, Change]]:
    m, n = reference.rows, current.rows
    yield (
        "missing",
        share_difference(reference.missing, m, current.missing, n, ALPHA["missing"] / columns),
    )
    yield (
        "infinite",
        share_difference(reference.infinite, m, current.infinite, n, ALPHA["infinite"] / columns),
    )


def _values(
    reference: FeatureStatistics, current: FeatureStatistics, columns: int
) -> Iterator[tuple[Term, Change]]:
    if min(reference.count, current.count) < MINIMUM_ROWS:
        return
    varied: dict[Term, Statistic] = {"mean": mean_shift, "range": range_excess, "std": std_ratio}
    constant: dict[Term, Statistic] = {"changed": changed_share}
    for term, statistic in (constant if reference.constant else varied).items():
        change = statistic(reference, current, ALPHA[term] / columns)
        if change:
            yield term, change


def _judged(term: Term, change: Change) -> TermEvidence:
    return TermEvidence(
        term=term,
        value=change.value,
        noise=change.noise,
        thresholds=THRESHOLDS[term],
        direction="up" if change.value >= 0 else "down",
        level=level(change, THRESHOLDS[term]),
    )


def _too_few(reference: FeatureStatistics, current: FeatureStatistics) -> str:
    side, rows = ("reference", reference.rows) if reference.rows < MINIMUM_ROWS else ("current", current.rows)
    return f"{rows} {side} row{'' if rows == 1 else 's'}, at least {MINIMUM_ROWS} are needed"


def _note(reference: FeatureStatistics, current: FeatureStatistics) -> str:
    for side, statistics in (("reference", reference), ("current", current)):
        if statistics.count < MINIMUM_ROWS:
            return (
                f"only {statistics.count} of {statistics.rows} {side} rows hold a number: "
                "mean, std and range are not compared"
            )
    return "constant in the reference" if reference.constant else ""
