"""N of M: an alert needs several bad batches among the last ones, so that a single odd one alarms nobody."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from iris_core.drift.thresholds import Severity, rank


class Debounced(BaseModel):
    """`violations` of the last `seen` batches are `least` or worse; `needed` of `window` make an `alert`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alert: bool
    violations: int
    seen: int
    needed: int
    window: int
    least: Severity


def debounced(severities: Sequence[Severity], window: int, needed: int, least: Severity) -> Debounced:
    """Judge the newest of a model's verdicts by the ones before it.

    Insufficient ones take no place in the window: they say nothing, neither for nor against. The newest one
    alerts only if it is a violation itself: a batch that looks well does not alarm about those before it.

    :param severities: oldest first, the newest one included.
    """
    newest = severities[-1] if severities else "insufficient"
    judged = [one for one in severities if one != "insufficient"][-window:]
    violations = sum(rank(one) >= rank(least) for one in judged)
    return Debounced(
        alert=rank(newest) >= rank(least) and violations >= needed,
        violations=violations,
        seen=len(judged),
        needed=needed,
        window=window,
        least=least,
    )
