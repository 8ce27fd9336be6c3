"""What batches differ by beyond the chance of independent rows: days, machines, rows that follow each other.

The tests take rows as independent. Where the means of batches spread by more (standard deviation `spread`,
in standard deviations of the rows), a difference of the reference and k batches together has the variance
1/m + 1/n + (1 + 1/k)·spread² instead of 1/m + 1/n. Every chance is judged by as much less, as a design effect
does to tests in surveys (Kish, Survey Sampling, 1965, section 8.2): exact for means, an approximation for the
others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from pydantic import BaseModel, ConfigDict
from scipy import special

from iris_core.drift.change import Change
from iris_core.drift.statistics import FeatureStatistics

FEWEST_BATCHES = 5
LEARNT_FROM = 20
"""At most so many of a model's first batches."""
CONFIDENCE = 0.9
TINIEST = 1e-270
"""Below this, chances may have been rounded to 0."""


class Spread(BaseModel):
    """What a verdict took as the spread; learnt from so many of the model's first batches, 0: declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float = 0.0
    batches: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether it was learnt from as many batches as it ever is: later ones do not change it."""
        return self.batches >= LEARNT_FROM


@dataclass(frozen=True)
class Compared:
    """Rows of the reference, and rows of so many batches that are compared with it."""

    m: float
    n: float
    batches: int = 1


def widened(change: Change, rows: Compared, spread: float, alpha: float) -> Change:
    """A change as it is judged when batches spread.

    :param change: as it is judged when they do not.
    :param rows: how many were compared.
    :param spread: standard deviation of the batches' means, in those of the rows.
    :param alpha: the level that the change's noise is for.
    """
    if not spread:
        return change
    effect = sqrt(1 + (1 + 1 / rows.batches) * spread**2 / (1 / rows.m + 1 / rows.n))
    chance = 2 * float(special.ndtr(-_deviations(change, alpha) / effect))
    return Change(change.value, change.noise * effect, chance)


def _deviations(change: Change, alpha: float) -> float:
    """A change in standard deviations of a normal: by its chance, or its noise where that is too small for a
    double.
    """
    if change.chance > TINIEST:
        return -float(special.ndtri(change.chance / 2))
    by_size = abs(change.value) / change.noise * -float(special.ndtri(alpha / 2))
    return max(by_size, -float(special.ndtri(TINIEST / 2)))


def learnt_spread(batches: Sequence[Mapping[str, FeatureStatistics]]) -> float | None:
    """The spread of a model's first batches, its upper limit at 90 % confidence; None: fewer than 5 batches.

    The largest of the columns': variance of the batches' mean scores (upper limit by chi-square), less what
    independent rows would make of it, beside that of the rows.

    :param batches: statistics of the scores (`placement`) of each batch, oldest first.
    """
    if len(batches) < FEWEST_BATCHES:
        return None
    first = batches[:LEARNT_FROM]
    return max(_spread([batch[name] for batch in first]) for name in first[0])


def _spread(batches: Sequence[FeatureStatistics]) -> float:
    known = [one for one in batches if one.mean is not None and one.count]
    if len(known) < FEWEST_BATCHES:
        return 0.0
    means = [one.mean or 0.0 for one in known]
    centre = sum(means) / len(means)
    squares = sum((mean - centre) ** 2 for mean in means)
    upper = squares / float(special.chdtri(len(known) - 1, CONFIDENCE))
    within = [(one.std or 0.0) ** 2 for one in known]
    rows = sum(variance / one.count for variance, one in zip(within, known, strict=True)) / len(known)
    usual = sum(within) / len(within)
    return sqrt(max(0.0, upper - rows) / usual) if usual else 0.0
