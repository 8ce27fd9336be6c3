"""Small batches as one, and the last batches together: comparisons that one batch has too few rows for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

from iris_core.drift.known import Earlier
from iris_core.drift.placement import score_shift, together
from iris_core.drift.severity import ColumnEvidence, TermEvidence, carried, term_evidence
from iris_core.drift.share import share_difference
from iris_core.drift.spread import widened
from iris_core.drift.statistics import FeatureStatistics, TableStatistics
from iris_core.drift.thresholds import ALPHA, MINIMUM_ROWS

RECENT = 10
"""So many of the model's last batches are compared together, this one included."""

Statistics = Mapping[str, FeatureStatistics]


def rows_of(statistics: Statistics) -> int:
    """Rows of a table."""
    return max((one.rows for one in statistics.values()), default=0)


def waiting(earlier: Sequence[Earlier]) -> list[TableStatistics]:
    """The scores of the last batches that were too small to be judged."""
    unjudged = takewhile(lambda batch: not batch.is_judged, reversed(earlier))
    return [batch.scores for batch in unjudged][::-1]


def small_evidence(
    reference: Statistics, scores: Statistics, earlier: Sequence[Earlier], spread: float
) -> tuple[ColumnEvidence, ...] | None:
    """A small batch together with the small ones just before it; None: still too few rows.

    Each row counts once: after a verdict the next small batch starts anew.

    :param reference: statistics of the scores of the reference's own rows.
    :param scores: the same of the batch's rows.
    """
    pooled = together([*waiting(earlier), dict(scores)])
    if min(rows_of(pooled), rows_of(reference)) < MINIMUM_ROWS:
        return None
    before = len(waiting(earlier))
    note = f"together with the {before} small batch{'' if before == 1 else 'es'} before"
    return tuple(
        carried(name, _small_terms(reference[name], pooled[name], len(reference), spread), note)
        for name in reference
    )


def _small_terms(
    reference: FeatureStatistics, pooled: FeatureStatistics, columns: int, spread: float
) -> list[TermEvidence]:
    m, n = reference.rows, pooled.rows
    missing = share_difference(reference.missing, m, pooled.missing, n, ALPHA["missing"] / columns)
    terms = [term_evidence("missing", widened(missing, m, n, spread), columns)]
    if min(reference.count, pooled.count) >= MINIMUM_ROWS and reference.std:
        share = ALPHA["mean"]
        shift = score_shift(reference, pooled, share / columns)
        terms.append(term_evidence("recent", widened(shift, m, n, spread), columns, share))
    return terms


def recent_terms(
    reference: Statistics, scores: Statistics, earlier: Sequence[Earlier], spread: float
) -> dict[str, TermEvidence]:
    """The last batches together, this one included, by column: a creeping change that no batch shows."""
    if not earlier:
        return {}
    last = [batch.scores for batch in earlier[1 - RECENT :]]
    pooled, columns = together([*last, dict(scores)]), len(reference)
    return {
        name: term_evidence(
            "recent",
            widened(shift, reference[name].rows, pooled[name].rows / (len(last) + 1), spread),
            columns,
        )
        for name in reference
        if min(reference[name].count, pooled[name].count) >= MINIMUM_ROWS and reference[name].std
        for shift in [score_shift(reference[name], pooled[name], ALPHA["recent"] / columns)]
    }
