"""Decides whether drift may start another training: cooldown, daily budget, never twice on the same data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Past:
    """A retraining that drift requested: the time, and the digest of the training data."""

    at: datetime
    data: str


@dataclass(frozen=True)
class Policy:
    """The least time between two requests, and the most requests within 24 hours."""

    cooldown: timedelta
    budget: int


@dataclass(frozen=True)
class Decision:
    """Whether a request is allowed, and why; `is_final` means that only newer training data can change it."""

    is_allowed: bool
    reason: str
    is_final: bool = False


def decide(past: Sequence[Past], data: str, now: datetime, policy: Policy) -> Decision:
    """Decide whether drift may request a training on this data now.

    Data is retrained on once: if the model still drifts, training again would not help. Requests stop until
    newer training data lands.

    :param past: earlier requests, in any order: all on this data, all within the cooldown and within 24
        hours.
    :param data: the digest of the newest training data.
    :param now: the time of the decision.
    :param policy: cooldown and budget.
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
