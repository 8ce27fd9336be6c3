"""Allows for batches that differ beyond the chance of independent rows: days, machines, serial dependence.

The tests take rows as independent. If the means of batches spread by more (standard deviation `spread`,
in standard deviations of the rows), a difference of the reference and k batches together has the variance
1/m + 1/n + (1 + 1/k)·spread² instead of 1/m + 1/n. Every chance is corrected for it, like tests in surveys by
a design effect (Kish, Survey Sampling, 1965, section 8.2): exact for means, an approximation for the other
terms.

scipy is imported where it is used: records of the ledger hold a `Spread`, and most of what imports them has
no other use for scipy, which takes 0.2 s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from pydantic import BaseModel, ConfigDict

from iris_core.drift.change import Change
from iris_core.drift.statistics import FeatureStatistics

FEWEST_BATCHES = 5
LEARNT_FROM = 20
"""Most of a model's first batches from which the spread is learnt."""
CONFIDENCE = 0.9
TINIEST = 1e-270
"""Smaller chances may have been rounded to 0."""


class Spread(BaseModel):
    """The spread that a verdict used, learnt from the model's first `batches`; 0 batches: declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float = 0.0
    batches: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether it was learnt from `LEARNT_FROM` batches: later ones do not change it."""
        return self.batches >= LEARNT_FROM


@dataclass(frozen=True)
class Compared:
    """Rows of the reference, and rows of so many batches that are compared with it."""

    m: float
    n: float
    batches: int = 1


def widened(change: Change, rows: Compared, spread: float, alpha: float) -> Change:
    """Correct a change for the spread of batches.

    :param change: as it is judged without spread.
    :param rows: how many rows were compared.
    :param spread: standard deviation of the batches' means, in those of the rows.
    :param alpha: the level that the change's noise is for.
    """
    from scipy import special

    if not spread:
        return change
    effect = sqrt(1 + (1 + 1 / rows.batches) * spread**2 / (1 / rows.m + 1 / rows.n))
    chance = 2 * float(special.ndtr(-_deviations(change, alpha) / effect))
    return Change(change.value, change.noise * effect, chance)


def _deviations(change: Change, alpha: float) -> float:
    """A change in standard deviations of a normal, by its chance; by its noise if the chance is rounded to
    0."""
    from scipy import special

    if change.chance > TINIEST:
        return -float(special.ndtri(change.chance / 2))
    by_size = abs(change.value) / change.noise * -float(special.ndtri(alpha / 2))
    return max(by_size, -float(special.ndtri(TINIEST / 2)))


def learnt_spread(batches: Sequence[Mapping[str, FeatureStatistics]]) -> float | None:
    """The upper limit, at 90 % confidence, of the spread of a model's first batches; None below 5 batches.

    For each column: the variance of the batches' mean scores (upper limit by chi-square), less that of
    independent rows, in relation to the variance of the rows. The largest of the columns counts; of a
    category it is that of its most frequent level.

    :param batches: statistics of the scores (`placement`) of each batch, oldest first.
    """
    if len(batches) < FEWEST_BATCHES:
        return None
    first = batches[:LEARNT_FROM]
    columns = ([batch[name] for batch in first if name in batch] for name in first[0])
    return max(map(_spread, map(_as_numbers, columns)))


def _as_numbers(batches: Sequence[FeatureStatistics]) -> Sequence[FeatureStatistics]:
    """A category as a number: 1 for its most frequent level, else 0."""
    rows = Counter[str]()
    for one in batches:
        rows.update(one.levels or {})
    if not rows:
        return batches
    level = max(rows, key=lambda each: (rows[each], each))
    return [_share_of(level, one) for one in batches]


def _share_of(level: str, one: FeatureStatistics) -> FeatureStatistics:
    share = (one.levels or {}).get(level, 0) / max(1, one.count)
    return FeatureStatistics(count=one.count, mean=share, std=sqrt(share * (1 - share)))


def _spread(batches: Sequence[FeatureStatistics]) -> float:
    from scipy import special

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
