"""What every statistic of drift returns: by how much, and how much chance alone allows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """A statistic's signed value, and the size it reaches by chance, in the value's direction and unit.

    Without drift, `abs(value) > noise` happens with at most the probability the statistic was given.
    """

    value: float
    noise: float
