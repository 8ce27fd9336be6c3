"""Plays slow loss: fifty models, each a point worse than its champion, before the gate.

The champion and the best earlier version are chosen as the product chooses them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin  # noqa: TID253 - a class below is one

from benchmarks.planted import LIMITS, RARE, judged
from benchmarks.trial import SHARE
from iris_core.ledger.records.gate import GateEvidence, Slide
from iris_core.models.holdout import Split, split
from iris_core.models.registry import reference_of
from iris_core.promotion.measurement import ChampionAnswers
from iris_core.promotion.rivals import answers_to
from iris_core.promotion.slide import best_of

if TYPE_CHECKING:
    import pandas as pd

LOST_A_STEP = 0.01
STEPS = 50
FIRST_ACCURACY = 0.95


class Planted(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A model that is right on a given share of rows, each model on other rows: one column holds the class,
    one holds random numbers."""

    def __init__(self, accuracy: float, number: int) -> None:
        self.accuracy = accuracy
        self.number = number

    def fit(self, _: pd.DataFrame, labels: Any) -> Planted:
        """Nothing is learned."""
        self.classes_ = np.unique(labels)
        return self

    def predict(self, features: pd.DataFrame) -> Any:
        """The class, or the other one where the random number says so."""
        chance = (features["x1"].to_numpy() * (self.number + 1) * np.sqrt(2)) % 1
        is_rare = (features["x0"].to_numpy() > 0) ^ (chance >= self.accuracy)
        return np.where(is_rare, "rare", "usual")


def ratchet(seed: int, holdout: int) -> float:
    """Play fifty models, each one point worse than the champion at its time; return what is lost in truth.

    :param holdout: rows of each new table's holdout.
    """
    promoted: list[_Staged] = []
    slides: list[Slide] = []
    for number in range(STEPS + 1):
        rng = np.random.default_rng([seed, 23, number, holdout])
        parts = split(_coded(rng, holdout * 5), RARE, SHARE, number)
        accuracy = promoted[-1].model.accuracy - LOST_A_STEP if promoted else FIRST_ACCURACY
        model = Planted(accuracy, number)
        champion, anchor = _rivals(promoted, parts, slides)
        found = judged(RARE, parts, model, champion, anchor)
        slides += [found.evidence.slide] if found.evidence.slide else []
        if not found.is_held:
            promoted.append(_Staged(number, model, parts, found.evidence))
    return FIRST_ACCURACY - promoted[-1].model.accuracy


@dataclass(frozen=True)
class _Staged:
    number: int
    model: Planted
    own: Split
    evidence: GateEvidence

    def answers(self, parts: Split) -> ChampionAnswers:
        """Its answers to another table."""
        ref = reference_of("planted", self.number, "planted", {})
        return answers_to(ref, self.model, parts, self.own, LIMITS.metric, None)


def _coded(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Rows of two equally frequent classes; the first column holds the class, the second random numbers."""
    import pandas as pd

    is_rare = rng.random(rows) < 0.5
    values = {"x0": np.where(is_rare, 1.0, -1.0), "x1": rng.random(rows) * 1000, "x2": 0.0, "x3": 0.0}
    return pd.DataFrame(values).assign(kind=np.where(is_rare, "rare", "usual"))


def _rivals(
    promoted: list[_Staged], parts: Split, slides: list[Slide]
) -> tuple[ChampionAnswers | None, ChampionAnswers | None]:
    """The champion and the best earlier version, as the product chooses them.

    :param promoted: oldest first.
    :param parts: the new table.
    :param slides: what was found on the tables before, oldest first.
    """
    if not promoted:
        return None, None
    best = best_of([(each.number, each.evidence) for each in promoted])
    champion = promoted[-1].answers(parts)
    if best == promoted[-1].number:
        return champion, None
    anchor = next(each for each in promoted if each.number == best).answers(parts)
    mine = tuple(each for each in reversed(slides) if each.version == best)
    return champion, replace(anchor, slides=mine)
