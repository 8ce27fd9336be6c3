"""Judges small batches as one, and a model's last batches together: one batch alone has too few rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile

from iris_core.drift.known import Earlier
from iris_core.drift.placement import score_shift, together
from iris_core.drift.severity import (
    ColumnEvidence,
    TermEvidence,
    carried,
    level_evidence,
    share_changes,
    term_evidence,
)
from iris_core.drift.spread import Compared, widened
from iris_core.drift.statistics import FeatureStatistics, TableStatistics
from iris_core.drift.thresholds import ALPHA, MINIMUM_ROWS

RECENT = 10
"""How many of the model's last batches are compared together, this one included."""
TOGETHER = "together"

Statistics = Mapping[str, FeatureStatistics]


def rows_of(statistics: Statistics) -> int:
    """Rows of a table."""
    return max((one.rows for one in statistics.values()), default=0)


def waiting(earlier: Sequence[Earlier]) -> list[TableStatistics]:
    """The scores of the last batches that were too small to be judged."""
    unjudged = takewhile(lambda batch: not batch.is_judged, reversed(earlier))
    return [batch.scores for batch in unjudged][::-1]


def pooled_small(scores: Statistics, earlier: Sequence[Earlier]) -> TableStatistics:
    """The scores of a small batch together with those of the small ones just before it.

    Each row counts once: after a verdict the next small batch starts anew.
    """
    return together([*waiting(earlier), dict(scores)])


def small_evidence(
    reference: Statistics, pooled: Statistics, batches: int, spread: float
) -> tuple[ColumnEvidence, ...] | None:
    """Judge small batches together; None if there are still too few rows.

    :param reference: statistics of the scores of the reference's own rows.
    :param pooled: the same of the batches' rows.
    :param batches: how many batches these are.
    :param spread: what batches differ by (`spread`).
    """
    if min(rows_of(pooled), rows_of(reference)) < MINIMUM_ROWS:
        return None
    before = batches - 1
    note = f"{TOGETHER} with the {before} small batch{'' if before == 1 else 'es'} before"
    return tuple(
        carried(name, _small_terms(reference[name], pooled[name], (len(reference), batches), spread), note)
        for name in reference
    )


def _small_terms(
    reference: FeatureStatistics, pooled: FeatureStatistics, among: tuple[int, int], spread: float
) -> Iterator[TermEvidence]:
    """Compare shares and means; `among` holds the number of columns and of batches."""
    columns, batches = among
    rows = Compared(reference.rows, pooled.rows, batches)
    for term, share in share_changes(reference, pooled, columns):
        yield term_evidence(term, widened(share, rows, spread, ALPHA[term] / columns), columns)
    if min(reference.count, pooled.count) < MINIMUM_ROWS:
        return
    if reference.is_category:
        yield level_evidence("levels", (reference, pooled), rows, columns, spread)
    elif reference.std:
        alpha = ALPHA["mean"] / columns
        shift = widened(score_shift(reference, pooled, alpha), rows, spread, alpha)
        yield term_evidence("recent", shift, columns, ALPHA["mean"])


def recent_terms(
    reference: Statistics, scores: Statistics, earlier: Sequence[Earlier], spread: float
) -> dict[str, TermEvidence]:
    """Compare the last batches together, this one included, by column: a slow change that no batch shows.

    :param reference: statistics of the scores of the reference's own rows.
    :param scores: the same of this batch's rows.
    :param earlier: the model's earlier batches, oldest first.
    :param spread: what batches differ by (`spread`).
    """
    if not earlier:
        return {}
    last = [*(batch.scores for batch in earlier[1 - RECENT :]), dict(scores)]
    pooled, columns = together(last), len(reference)
    alpha, shifts = ALPHA["recent"] / columns, {}
    for name, one in reference.items():
        if min(one.count, pooled[name].count) < MINIMUM_ROWS:
            continue
        rows = Compared(one.rows, pooled[name].rows, len(last))
        if one.is_category:
            shifts[name] = level_evidence("recent", (one, pooled[name]), rows, columns, spread)
        elif one.std:
            shift = widened(score_shift(one, pooled[name], alpha), rows, spread, alpha)
            shifts[name] = term_evidence("recent", shift, columns)
    return shifts


def with_recent(
    evidence: Iterable[ColumnEvidence], recent: Mapping[str, TermEvidence]
) -> tuple[ColumnEvidence, ...]:
    """Add the term of the last batches to the features' evidence.

    Small batches that were judged together have such a term already, of fewer batches. The less likely of the
    two stays; each has an error rate of its own.
    """
    return tuple(
        carried(one.column, _less_likely(one.terms, recent[one.column]), one.note)
        if one.column in recent and one.terms
        else one
        for one in evidence
    )


def _less_likely(terms: Sequence[TermEvidence], recent: TermEvidence) -> list[TermEvidence]:
    before = [term for term in terms if term.term == recent.term]
    return [
        *(term for term in terms if term.term != recent.term),
        min([*before, recent], key=lambda term: term.chance),
    ]
