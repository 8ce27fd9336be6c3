"""What every statistic of drift returns: by how much, and how likely chance alone makes so much."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """A statistic's signed value, the size that chance allows in its direction, and the value's own chance.

    Without drift, `chance` is at most a with at most the probability a. `noise` is taken off the value to get
    the size that is sure.
    """

    value: float
    noise: float
    chance: float
