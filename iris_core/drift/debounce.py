"""N of M: an alert needs several bad batches among the last ones, so that a single odd one alarms nobody."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from iris_core.drift.thresholds import Severity, rank

ALERT_CHANCE = {1: 0.0005}
ALERT_CHANCE_OF_SEVERAL = 0.005
"""The chance from which on a batch does not count towards an alert, by how many it takes.

Batches of one model are compared with one reference: where it is off by luck, all of them are, and a batch
at the usual 5 % would alert about one model in three within 100 batches. At these, at most 5 % of the models
alert without drift within 100 batches, whatever the sizes of reference and batches: by simulation of two of
three, the worst case being batches twice as large as the reference (`benchmarks/backtest.py` measures it);
by Bonferroni for one.
"""


class Debounced(BaseModel):
    """`violations` of the last `seen` batches are `least` or worse; `needed` of `window` make an `alert`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alert: bool
    violations: int
    seen: int
    needed: int
    window: int
    least: Severity


def counted(severity: Severity, chance: float, needed: int) -> Severity:
    """The severity as alerts count it: none, when its chance is too large for a hundred batches.

    :param chance: that of the verdict (`verdict.DriftVerdict.chance`).
    :param needed: how many batches an alert takes.
    """
    if severity == "insufficient" or chance <= ALERT_CHANCE.get(needed, ALERT_CHANCE_OF_SEVERAL):
        return severity
    return "none"


def debounced(severities: Sequence[Severity], window: int, needed: int, least: Severity) -> Debounced:
    """Judge the newest of a model's verdicts by the ones before it.

    Insufficient ones take no place in the window: they say nothing, neither for nor against. The newest one
    alerts only if it is a violation itself: a batch that looks well does not alarm about those before it.

    :param severities: as alerts count them (`counted`), oldest first, the newest one included.
    :param window: of so many judged batches, `needed` must be `least` or worse.
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
