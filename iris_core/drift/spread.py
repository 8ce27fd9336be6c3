"""What batches differ by beyond the chance of independent rows: days, machines, rows that follow each other.

The tests take rows as independent. Where the means of batches spread by more (standard deviation `spread`,
in standard deviations of the rows), a difference of reference and batch has the variance 1/m + 1/n +
2·spread² instead of 1/m + 1/n. Every chance is judged by as much less, as a design effect does to tests in
surveys (Kish, Survey Sampling, 1965, section 8.2): exact for means, an approximation for the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

from scipy import special

from iris_core.drift.change import Change
from iris_core.drift.statistics import FeatureStatistics

FEWEST_BATCHES = 5
LEARNT_FROM = 20
"""At most so many of a model's first batches."""
CONFIDENCE = 0.9


def widened(change: Change, m: float, n: float, spread: float) -> Change:
    """A change as it is judged when batches spread.

    :param change: as it is judged when they do not.
    :param m: rows of the reference.
    :param n: rows of the batch.
    :param spread: standard deviation of the batches' means, in those of the rows.
    """
    if not spread:
        return change
    effect = sqrt(1 + 2 * spread**2 / (1 / m + 1 / n))
    chance = 2 * float(special.ndtr(special.ndtri(change.chance / 2) / effect))
    return Change(change.value, change.noise * effect, chance)


def learnt_spread(batches: Sequence[Mapping[str, FeatureStatistics]]) -> float | None:
    """The spread of a model's first batches, its upper limit at 90 % confidence; None: fewer than 5 batches.

    The largest of the columns': variance of the batches' mean scores (upper limit by chi-square), less what
    independent rows would make of it.

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
    rows = sum((one.std or 0.0) ** 2 / one.count for one in known) / len(known)
    return sqrt(max(0.0, upper - rows))
