"""Makes one verdict about a batch: severity, the columns that carry it, and a sentence for people.

Every term has a share of a 5 % error rate (`thresholds.ALPHA`), and its chance holds for every distribution
of independent rows. The level is that of the worst term, by its size less its noise. `chance` bounds the
probability that a report without drift shows anything as unlikely. Alerts need a smaller chance than a
verdict of low does (`debounce`). Evidently's page decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from iris_core.drift.evidently_plan import EvidentlyColumn
from iris_core.drift.evidently_report import EvidentlyReport
from iris_core.drift.known import Known
from iris_core.drift.placement import score_statistics
from iris_core.drift.pooling import (
    pooled_small,
    recent_terms,
    rows_of,
    small_evidence,
    waiting,
    with_recent,
)
from iris_core.drift.ranks import Numbers
from iris_core.drift.sentence import Told, sentence
from iris_core.drift.severity import (
    Column,
    ColumnEvidence,
    table_evidence,
    table_severity,
)
from iris_core.drift.statistics import LARGEST, FeatureStatistics, TableStatistics
from iris_core.drift.thresholds import MINIMUM_ROWS, Severity, Term, rank
from iris_core.drift.usual import shortened, usual_levels
from iris_core.drift.whole import accuracy_evidence, joint_evidence, mix_evidence, rejected_evidence

BASIC: tuple[Term, ...] = ("missing", "infinite", "mean", "changed", "levels", "std", "range")


class Rows(Protocol):
    """One side of a comparison: exact statistics of every row, and a bounded sample of rows."""

    @property
    def statistics(self) -> TableStatistics: ...

    @property
    def sample(self) -> pl.DataFrame: ...


class DriftVerdict(BaseModel):
    """The verdict about a batch, with all of its evidence; JSON-able.

    `columns` drifted: the worst level first, within a level the larger weight. `basic_severity` is that of
    the simple statistics of single features. `evidence` is about features, `whole` about whole rows:
    correlations, predictions, answers, refused rows. `scores` merge with those of other batches
    (`placement`, `usual`). `evidently` is what Evidently's page shows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    severity: Severity
    basic_severity: Severity
    chance: float = 1.0
    columns: tuple[str, ...]
    sentence: str
    reference: dict[str, FeatureStatistics]
    current: dict[str, FeatureStatistics]
    scores: dict[str, FeatureStatistics] = {}
    evidence: tuple[ColumnEvidence, ...]
    whole: tuple[ColumnEvidence, ...] = ()
    evidently: tuple[EvidentlyColumn, ...] = ()

    def shortened(self) -> DriftVerdict:
        """The verdict as a record holds it: with the most important levels of categories only."""
        reference, current = shortened(self.reference, self.current)
        return self.model_copy(update={"reference": reference, "current": current})


def judge(reference: Rows, current: Rows, known: Known | None = None) -> DriftVerdict:
    """Compare a batch with the data that its model learnt from.

    :param reference: the training data.
    :param current: the batch.
    :param known: what else is known.
    :raises DataRejected: the two tables do not have the same features.
    """
    known = known or Known()
    statistics = known.rejected.added_to(current.statistics)
    before = _columns(reference.statistics, reference.sample)
    evidence = table_evidence(before, _columns(statistics, current.sample), known.spread)
    scores = known.rejected.added_to(_merging(reference, current))
    is_small = min(rows_of(statistics), rows_of(reference.statistics)) < MINIMUM_ROWS
    told = Told(reference.statistics, statistics, known)
    if known.earlier or is_small:
        own = _merging(reference, reference)
        if is_small:
            pooled = pooled_small(scores, known.earlier)
            batches = 1 + len(waiting(known.earlier))
            evidence = small_evidence(own, pooled, batches, known.spread) or evidence
            told = replace(told, current=_counted(statistics, pooled))
        evidence = with_recent(evidence, recent_terms(own, scores, known.earlier, known.spread))
    whole = tuple(_refused(reference, current, known) if is_small else _whole(reference, current, known))
    found = [*evidence, *whole]
    carrying = _ordered(_own(evidence, whole), known.weights)
    return DriftVerdict(
        severity=table_severity(found),
        basic_severity=_basic(evidence),
        chance=min((term.chance for column in found for term in column.terms), default=1.0),
        columns=tuple(column.column for column in carrying),
        sentence=sentence(evidence, carrying, told),
        reference=dict(reference.statistics),
        current=statistics,
        scores=scores,
        evidence=evidence,
        whole=whole,
    )


def with_page(verdict: DriftVerdict, report: EvidentlyReport) -> DriftVerdict:
    """Add what Evidently's page shows, or the reason why there is none."""
    missing = f" Evidently's page could not be made: {report.trouble}." if report.trouble else ""
    return verdict.model_copy(update={"evidently": report.columns, "sentence": verdict.sentence + missing})


def _columns(statistics: Mapping[str, FeatureStatistics], sample: pl.DataFrame) -> dict[str, Column]:
    return {
        name: Column(one, np.empty(0) if one.is_category else _numbers(sample, name))
        for name, one in statistics.items()
    }


def _numbers(sample: pl.DataFrame, name: str) -> Numbers:
    if name not in sample.columns:
        return np.empty(0)
    values = sample[name].cast(pl.Float64).to_numpy()
    return np.asarray(values[np.abs(values) <= LARGEST])


def _merging(reference: Rows, side: Rows) -> TableStatistics:
    """What merges with other batches: the scores of numbers, the rows of a category's usual levels."""
    scores = score_statistics(reference.sample, side.sample, _numeric(reference))
    merging = {**scores, **usual_levels(reference.statistics, side.statistics)}
    return {name: merging[name] for name in reference.statistics}


def _numeric(side: Rows) -> list[str]:
    return [name for name, one in side.statistics.items() if not one.is_category]


def _counted(statistics: Mapping[str, FeatureStatistics], pooled: TableStatistics) -> TableStatistics:
    """A small batch's statistics, with the counts of all rows that were judged together."""
    counts = {name: one.model_dump(include={"count", "missing", "infinite"}) for name, one in pooled.items()}
    return {name: one.model_copy(update=counts[name]) for name, one in statistics.items()}


def _whole(reference: Rows, current: Rows, known: Known) -> Iterator[ColumnEvidence]:
    old, new, names = reference.sample, current.sample, _numeric(reference)
    for found in (
        joint_evidence(old, new, names, known.spread),
        mix_evidence(old, new, known.spread),
        accuracy_evidence(new, known),
    ):
        if found:
            yield found
    yield from _refused(reference, current, known)


def _refused(reference: Rows, current: Rows, known: Known) -> Iterator[ColumnEvidence]:
    """The evidence of refused rows, if they are drift or enough rows were scored."""
    m, n = rows_of(reference.statistics), rows_of(current.statistics)
    found = rejected_evidence(m, n, known.rejected, known.spread)
    if found and (n >= MINIMUM_ROWS or found.carried_by):
        yield found


def _own(evidence: Sequence[ColumnEvidence], whole: Iterable[ColumnEvidence]) -> list[ColumnEvidence]:
    """All evidence, without that of whole rows if features that drifted by themselves explain it."""
    features = rank(table_severity(evidence))
    return [
        *evidence,
        *(one for one in whole if one.carried_by != "joint" or rank(one.severity) > features),
    ]


def _basic(evidence: Iterable[ColumnEvidence]) -> Severity:
    """The level by the simple statistics of the features alone."""
    levels = [term.level for one in evidence for term in one.terms if term.term in BASIC]
    return max(levels, key=rank, default="insufficient")


def _ordered(evidence: Sequence[ColumnEvidence], weights: Mapping[str, float]) -> list[ColumnEvidence]:
    def order(column: ColumnEvidence) -> tuple[float, float, float]:
        term = column.carrying
        strength = abs(term.value) if term else 0.0
        return rank(column.severity), abs(weights.get(column.column, 0.0)), strength

    return sorted((column for column in evidence if column.carried_by), key=order, reverse=True)
