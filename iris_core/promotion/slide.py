"""What was lost since the best earlier version, in steps too small for one holdout to show. Writes nothing.

A holdout of 24 rows shows no loss of one point, fifty times over. The champion and the best earlier version
can be compared on all rows of a new table, five times as many, and on the tables before it as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from iris_core.ledger.records.gate import GateEvidence, Interval, Slide
from iris_core.models.holdout import Part
from iris_core.models.intervals import LEVEL, quantile
from iris_core.promotion.answers import Answers
from iris_core.promotion.scores import compared
from iris_core.settings.project import Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]

LEAST_ROWS = 15
"""Of a new table, unknown to both versions."""
FINGERPRINT = 16
"""So many of the smallest row keys. Two tables that share a fifth of their rows share one of these in 97 % of
cases."""


@dataclass(frozen=True)
class TableAnswers:
    """A version's answers to a whole new table.

    :param part: the rows; the same for every version that is asked.
    :param seen: rows whose features the version was trained on.
    """

    part: Part
    answers: Answers
    seen: Flags


def slide_of(
    metric: Metric,
    margin: float,
    champion: tuple[int, TableAnswers | None],
    best: tuple[int, TableAnswers | None],
    before: Iterable[Slide],
) -> Slide | None:
    """How the champions since the best earlier version do against it; None where too few rows tell.

    :param metric: the declared one.
    :param margin: the tolerated loss.
    :param champion: its version, and its answers to the new table.
    :param best: the same of the best earlier version.
    :param before: what was found on the tables before, newest first.
    """
    ours, theirs = champion[1], best[1]
    if ours is None or theirs is None:
        return None
    rows = ~ours.seen & ~theirs.seen
    if int(rows.sum()) < LEAST_ROWS:
        return None
    part = ours.part.kept(rows)
    found = compared(
        metric, part.labels.to_numpy(str), ours.answers.kept(rows), theirs.answers.kept(rows), LEVEL
    )
    own = _Measured(
        rows=len(part),
        gain=found.first - found.second,
        error=(found.difference.high - found.difference.low) / 2 / quantile(LEVEL),
        fingerprint=_fingerprint(part),
    )
    known = [_Measured(each.rows, each.gain, each.error, each.fingerprint) for each in before]
    pooled = list(_without_shared_rows([own, *known]))
    return Slide(version=best[0], champion=champion[0], margin=margin, **vars(own), **_together(pooled))


@dataclass(frozen=True)
class _Measured:
    rows: int
    gain: float
    error: float
    fingerprint: tuple[str, ...]


def _fingerprint(part: Part) -> tuple[str, ...]:
    smallest = np.unique(part.row_keys())[:FINGERPRINT]
    return tuple(f"{int(key):016x}" for key in smallest)


def _without_shared_rows(found: Sequence[_Measured]) -> Iterator[_Measured]:
    """Tables that grow hold the same rows again: of those that share any, the newest."""
    taken: set[str] = set()
    for each in found:
        if taken.isdisjoint(each.fingerprint):
            taken.update(each.fingerprint)
            yield each


def _together(found: Sequence[_Measured]) -> dict[str, Any]:
    """The mean gain by rows, with its interval."""
    rows = sum(each.rows for each in found)
    gain = sum(each.rows * each.gain for each in found) / rows
    error = sqrt(sum((each.rows * each.error) ** 2 for each in found)) / rows
    half = error * quantile(LEVEL)
    interval = Interval(low=gain - half, high=gain + half, level=LEVEL)
    return {"tables": len(found), "all_rows": rows, "all_gain": gain, "difference": interval}


def best_of(promoted: Sequence[tuple[int, GateEvidence]]) -> int:
    """The best version: the first, until another is shown to be better than the best so far.

    The highest score would be that of the luckiest holdout.

    :param promoted: versions with the evidence that they were promoted by, oldest first, at least one.
    """
    best, known = promoted[0]
    for version, evidence in promoted[1:]:
        slide = evidence.slide
        if slide and slide.version == best and slide.difference.low > 0:
            best, known = _named(promoted, slide.champion) or (best, known)
        if _is_shown_better(evidence, best, known):
            best, known = version, evidence
    return best


def _named(promoted: Sequence[tuple[int, GateEvidence]], version: int) -> tuple[int, GateEvidence] | None:
    return next((each for each in promoted if each[0] == version), None)


def _is_shown_better(evidence: GateEvidence, best: int, known: GateEvidence) -> bool:
    """By the comparison on the same rows, where there was one; else by the scores on either holdout."""
    for earlier in (evidence.champion, evidence.anchor):
        if earlier and earlier.version == best:
            return earlier.difference.low > 0
    return evidence.judged[1].low > known.judged[0]
