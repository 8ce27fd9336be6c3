"""N of M: an alert needs several bad batches among the last ones, so a single odd batch alerts nobody."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from iris_core.drift.thresholds import Severity, rank

ALERT_CHANCE = {1: 0.0005}
ALERT_CHANCE_OF_SEVERAL = 0.005
"""The largest chance with which a batch counts towards an alert, by how many batches the alert takes.

All batches of a model are compared with one reference. If the reference is off by luck, every batch is, and
at the usual 5 % one model in three would alert within 100 batches without drift. With these chances at most 5
% of the models do, whatever the sizes of reference and batches: by simulation for two of three, where batches
twice as large as the reference are the worst case (`benchmarks/backtest.py` measures it); by Bonferroni for
one.
"""


class Debounced(BaseModel):
    """`violations` of the last `seen` batches are `least` or worse; an `alert` takes `needed` of `window`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alert: bool
    violations: int
    seen: int
    needed: int
    window: int
    least: Severity


def counted(severity: Severity, chance: float, needed: int) -> Severity:
    """The severity as alerts count it: none if the verdict's chance is too large for a hundred batches.

    :param severity: of the verdict.
    :param chance: of the verdict (`verdict.DriftVerdict.chance`).
    :param needed: how many batches an alert takes.
    """
    if severity == "insufficient" or chance <= ALERT_CHANCE.get(needed, ALERT_CHANCE_OF_SEVERAL):
        return severity
    return "none"


def debounced(severities: Sequence[Severity], window: int, needed: int, least: Severity) -> Debounced:
    """Count N of M for the newest of a model's verdicts.

    Insufficient verdicts take no place in the window: they speak neither for drift nor against it. The newest
    verdict alerts only if it is a violation itself.

    :param severities: as alerts count them (`counted`), oldest first, the newest one included.
    :param window: how many of the last judged batches are looked at.
    :param needed: how many of them must be `least` or worse.
    :param least: the least severity that counts.
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
