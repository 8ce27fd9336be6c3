"""Performance drift: accuracy on labels that came later against accuracy on the holdout."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from iris_core.drift.change import Change
from iris_core.drift.share import share_increase
from iris_core.drift.thresholds import (
    MINIMUM_ROWS,
    PERFORMANCE,
    PERFORMANCE_ALPHA,
    Severity,
    Thresholds,
    level,
)


class Answered(BaseModel):
    """How many of `rows` labelled rows were predicted right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    right: int

    @property
    def accuracy(self) -> float:
        return self.right / self.rows if self.rows else 0.0


class PerformanceVerdict(BaseModel):
    """Severity of a loss of accuracy, the loss and what chance allows (shares of rows), and a sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    severity: Severity
    sentence: str
    columns: tuple[str, ...]
    reference: Answered
    current: Answered
    loss: float
    noise: float
    chance: float = 1.0
    thresholds: Thresholds


def score_verdict(
    named: str, scores: tuple[float, float], reference: Answered, current: Answered, change: Change
) -> PerformanceVerdict:
    """Judge a score in another metric than accuracy against that of the holdout; only a loss is drift.

    :param named: the name of the score.
    :param scores: on the holdout, and on the rows that were labelled later.
    :param reference: how many rows of the holdout were right.
    :param current: how many of the rows that were labelled later.
    :param change: the loss.
    """
    if min(reference.rows, current.rows) < MINIMUM_ROWS:
        return performance_verdict(reference, current)
    severity = level(change, PERFORMANCE, PERFORMANCE_ALPHA) if change.value > 0 else "none"
    was, now = scores
    told = f"{named} {now:.3f} on {current.rows:,} rows that were labelled later, {was:.3f} on the holdout"
    fell = f"{named} fell by {change.value:.3f}, surely by {max(0.0, change.value - change.noise):.3f}"
    sentence = f"No loss beyond chance: {told}." if severity == "none" else f"{fell}: {told}.".capitalize()
    return _verdict(severity, sentence, reference, current, change)


def performance_verdict(reference: Answered, current: Answered) -> PerformanceVerdict:
    """Judge accuracy against that of the holdout; only a loss is drift.

    One-sided at `PERFORMANCE_ALPHA`, by Fisher's exact test and exact intervals of both shares (`share`).
    """
    if min(reference.rows, current.rows) < MINIMUM_ROWS:
        nothing = Change(0.0, 0.0, 1.0)
        return _verdict("insufficient", _too_few(reference, current), reference, current, nothing)
    change = share_increase(
        reference.rows - reference.right,
        reference.rows,
        current.rows - current.right,
        current.rows,
        PERFORMANCE_ALPHA,
    )
    severity = level(change, PERFORMANCE, PERFORMANCE_ALPHA) if change.value > 0 else "none"
    return _verdict(severity, _sentence(severity, reference, current, change), reference, current, change)


def _verdict(
    severity: Severity, sentence: str, reference: Answered, current: Answered, change: Change
) -> PerformanceVerdict:
    return PerformanceVerdict(
        severity=severity,
        sentence=sentence,
        columns=() if severity in ("none", "insufficient") else ("accuracy",),
        reference=reference,
        current=current,
        loss=change.value,
        noise=change.noise,
        chance=change.chance,
        thresholds=PERFORMANCE,
    )


def _sentence(severity: Severity, reference: Answered, current: Answered, change: Change) -> str:
    now = f"{current.accuracy:.1%} of {current.rows:,} rows that were labelled later are right"
    was = f"{reference.accuracy:.1%} of {reference.rows:,} on the holdout"
    if severity == "none":
        return f"No loss of accuracy beyond chance: {now}, {was}."
    sure = max(0.0, change.value - change.noise)
    return f"Accuracy fell by {change.value * 100:.1f} points, surely by {sure * 100:.1f}: {now}, {was}."


def _too_few(reference: Answered, current: Answered) -> str:
    side, rows = (
        ("holdout rows", reference.rows) if reference.rows < MINIMUM_ROWS else ("labelled rows", current.rows)
    )
    return f"Too little data to judge accuracy: {rows} {side}, at least {MINIMUM_ROWS} are needed."
