"""One verdict about a batch: severity, the columns that carry it, and a sentence a person understands.

The basic severity, from the exact statistics of all rows, is the level. Evidently's tests see what mean, std
and range cannot: a distribution that changed its shape, the mix of predicted classes, accuracy. They can do
one thing: raise none to low, when one of them drifts. Each implies an effect that matters (see
`evidently_report`), and all together are given `EVIDENTLY_ALPHA`; with `ALPHA` that keeps false alarms of
the whole report at 5 %. They never lower a level, nor judge what is insufficient.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from iris_core.drift.evidently_plan import EvidentlyColumn
from iris_core.drift.evidently_report import EvidentlyReport
from iris_core.drift.sentence import sentence
from iris_core.drift.severity import ColumnEvidence, table_evidence, table_severity
from iris_core.drift.statistics import FeatureStatistics
from iris_core.drift.thresholds import Severity, rank


class DriftVerdict(BaseModel):
    """What was decided about a batch, with all of its evidence; JSON-able.

    `columns` drifted: the worst level first, within a level the larger weight. When only Evidently's tests
    raised the severity above `basic_severity`, they are the columns of those tests.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    severity: Severity
    basic_severity: Severity
    columns: tuple[str, ...]
    sentence: str
    reference: dict[str, FeatureStatistics]
    current: dict[str, FeatureStatistics]
    evidence: tuple[ColumnEvidence, ...]
    evidently: tuple[EvidentlyColumn, ...] = ()


def judge(
    reference_stats: Mapping[str, FeatureStatistics],
    current_stats: Mapping[str, FeatureStatistics],
    units: Mapping[str, str] | None = None,
    evidently: EvidentlyReport | None = None,
    weights: Mapping[str, float] | None = None,
) -> DriftVerdict:
    """Compare a batch with the data that its model learnt from.

    :param units: unit of each feature, for the sentence.
    :param weights: how much the model depends on each feature per standard deviation (its coefficients on
        scaled features); the sign does not matter, a feature without one counts as 0.
    :raises DataRejected: the two tables do not have the same features.
    """
    evidence = table_evidence(reference_stats, current_stats)
    basic = table_severity(evidence)
    tests = evidently.columns if evidently else ()
    raising = [test for test in tests if test.drifted] if basic == "none" else []
    carrying = _ordered(evidence, weights or {})
    return DriftVerdict(
        severity="low" if raising else basic,
        basic_severity=basic,
        columns=tuple(column.column for column in carrying) or tuple(test.column for test in raising),
        sentence=sentence(evidence, carrying, raising, reference_stats, current_stats, units or {}),
        reference=dict(reference_stats),
        current=dict(current_stats),
        evidence=evidence,
        evidently=tests,
    )


def _ordered(evidence: tuple[ColumnEvidence, ...], weights: Mapping[str, float]) -> list[ColumnEvidence]:
    def order(column: ColumnEvidence) -> tuple[float, float, float]:
        term = column.carrying
        strength = abs(term.value) if term else 0.0
        return rank(column.severity), abs(weights.get(column.column, 0.0)), strength

    return sorted((column for column in evidence if column.carried_by), key=order, reverse=True)
