"""Whether drift may start another training: cooldown, daily budget, and an end where it does not help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Past:
    """A retraining that drift asked for: when, and the digest of the training data that was the newest."""

    at: datetime
    data: str


@dataclass(frozen=True)
class Policy:
    """Least time between two requests, and most requests within 24 hours."""

    cooldown: timedelta
    budget: int


@dataclass(frozen=True)
class Decision:
    """`is_final`: waiting changes nothing, only newer training data does."""

    is_allowed: bool
    reason: str
    is_final: bool = False


def decide(past: Sequence[Past], data: str, now: datetime, policy: Policy) -> Decision:
    """May drift ask for a training on this data now?

    A model that was trained again on the same data, and still drifts, will not be helped by a third time: the
    loop ends until newer training data lands.

    :param past: all requests that may matter, in any order.
    """
    if any(request.data == data for request in past):
        return Decision(
            False,
            "retraining on this data did not end the drift: it takes newer training data, which trains by "
            "itself",
            is_final=True,
        )
    last = max((request.at for request in past), default=None)
    if last is not None and now < last + policy.cooldown:
        return Decision(False, f"the last one was asked for at {last:%Y-%m-%d %H:%M} UTC: cooling down")
    today = sum(now - request.at < DAY for request in past)
    if today >= policy.budget:
        return Decision(False, f"{today} retrainings within 24 hours use up RETRAIN_BUDGET={policy.budget}")
    return Decision(True, "drift asked for it")
