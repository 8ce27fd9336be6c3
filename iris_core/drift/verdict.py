"""One verdict about a batch: severity, the columns that carry it, and a sentence a person understands.

Every term is given a share of a 5 % error rate (`thresholds.ALPHA`), and its chance holds for every
distribution of independent rows. The level is that of the worst term, by the size that is left after its
noise is taken off. `chance` bounds the probability that a report without drift shows anything as unlikely;
what alerts must be surer than what a single verdict calls low (`debounce`). Evidently's page is made beside
it and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from iris_core.drift.evidently_plan import EvidentlyColumn
from iris_core.drift.evidently_report import EvidentlyReport
from iris_core.drift.known import Known
from iris_core.drift.placement import score_statistics
from iris_core.drift.pooling import recent_terms, rows_of, small_evidence
from iris_core.drift.ranks import Numbers
from iris_core.drift.sentence import Told, sentence
from iris_core.drift.severity import (
    Column,
    ColumnEvidence,
    TermEvidence,
    carried,
    table_evidence,
    table_severity,
)
from iris_core.drift.statistics import LARGEST, FeatureStatistics, TableStatistics
from iris_core.drift.thresholds import MINIMUM_ROWS, Severity, Term, rank
from iris_core.drift.whole import accuracy_evidence, joint_evidence, mix_evidence, rejected_evidence

BASIC: tuple[Term, ...] = ("missing", "infinite", "mean", "changed", "std", "range")


class Rows(Protocol):
    """One side of a comparison: exact statistics of every row, and a bounded sample of rows."""

    @property
    def statistics(self) -> TableStatistics: ...

    @property
    def sample(self) -> pl.DataFrame: ...


class DriftVerdict(BaseModel):
    """What was decided about a batch, with all of its evidence; JSON-able.

    `columns` drifted: the worst level first, within a level the larger weight. `basic_severity` is that of
    the simple statistics of single features. `evidence` is about features, `whole` about whole rows:
    correlations, predictions, answers, refused rows. `scores` merge with those of other batches
    (`placement`). `evidently` is what Evidently's page shows.
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


def judge(reference: Rows, current: Rows, known: Known | None = None) -> DriftVerdict:
    """Compare a batch with the data that its model learnt from.

    :raises DataRejected: the two tables do not have the same features.
    """
    known = known or Known()
    statistics = known.rejected.added_to(current.statistics)
    names = list(reference.statistics)
    before = _columns(reference.statistics, reference.sample)
    evidence = table_evidence(before, _columns(statistics, current.sample), known.spread)
    scores = score_statistics(reference.sample, current.sample, names)
    is_small = min(rows_of(statistics), rows_of(reference.statistics)) < MINIMUM_ROWS
    if known.earlier or is_small:
        own = score_statistics(reference.sample, reference.sample, names)
        if is_small:
            evidence = small_evidence(own, scores, known.earlier, known.spread) or evidence
        else:
            evidence = _with_recent(evidence, recent_terms(own, scores, known.earlier, known.spread))
    whole = () if is_small else tuple(_whole(reference, current, known))
    found = [*evidence, *whole]
    carrying = _ordered(_own(evidence, whole), known.weights)
    return DriftVerdict(
        severity=table_severity(found),
        basic_severity=_basic(evidence),
        chance=min((term.chance for column in found for term in column.terms), default=1.0),
        columns=tuple(column.column for column in carrying),
        sentence=sentence(evidence, carrying, Told(reference.statistics, statistics, known)),
        reference=dict(reference.statistics),
        current=statistics,
        scores=scores,
        evidence=evidence,
        whole=whole,
    )


def with_page(verdict: DriftVerdict, report: EvidentlyReport) -> DriftVerdict:
    """The verdict with what Evidently's page shows, or with why there is none."""
    missing = f" Evidently's page could not be made: {report.trouble}." if report.trouble else ""
    return verdict.model_copy(update={"evidently": report.columns, "sentence": verdict.sentence + missing})


def _columns(statistics: Mapping[str, FeatureStatistics], sample: pl.DataFrame) -> dict[str, Column]:
    return {name: Column(one, _numbers(sample, name)) for name, one in statistics.items()}


def _numbers(sample: pl.DataFrame, name: str) -> Numbers:
    if name not in sample.columns:
        return np.empty(0)
    values = sample[name].cast(pl.Float64).to_numpy()
    return np.asarray(values[np.abs(values) <= LARGEST])


def _with_recent(
    evidence: Iterable[ColumnEvidence], recent: Mapping[str, TermEvidence]
) -> tuple[ColumnEvidence, ...]:
    """The features' evidence with the term of the last batches added, which names itself last."""
    return tuple(
        carried(one.column, [*one.terms, recent[one.column]], one.note)
        if one.column in recent and one.terms
        else one
        for one in evidence
    )


def _whole(reference: Rows, current: Rows, known: Known) -> Iterator[ColumnEvidence]:
    old, new, names = reference.sample, current.sample, list(reference.statistics)
    m, n = rows_of(reference.statistics), rows_of(current.statistics)
    for found in (
        joint_evidence(old, new, names, known.spread),
        mix_evidence(old, new, known.spread),
        accuracy_evidence(new, known),
        rejected_evidence(m, n, known.rejected, known.spread),
    ):
        if found:
            yield found


def _own(evidence: Sequence[ColumnEvidence], whole: Iterable[ColumnEvidence]) -> list[ColumnEvidence]:
    """All evidence but that of whole rows where features that drifted by themselves explain it."""
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
