"""The result of every statistic of drift: the size of a change, and how likely chance alone makes one so
large."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """A statistic's signed value, the size that chance allows in its direction, and the chance of the value.

    Without drift, `chance` is at most a with a probability of at most a. The value less `noise` is the size
    that is sure.
    """

    value: float
    noise: float
    chance: float
