"""What a comparison may know about a batch and its model, beside the two tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from iris_core.drift.performance import Answered
from iris_core.drift.spread import Spread
from iris_core.drift.statistics import FeatureStatistics, TableStatistics


class Rejected(BaseModel):
    """Rows that scoring refused: how many, and how many missing and infinite values they hold by column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = 0
    missing: dict[str, int] = {}
    infinite: dict[str, int] = {}

    @classmethod
    def of_faults(cls, rows: int, faults: Sequence[Mapping[str, Any]]) -> Rejected:
        """Read the refused rows, and their faults by kind and column, from the record of a scoring."""
        counts: dict[str, dict[str, int]] = {"missing": {}, "infinite": {}}
        for fault in faults:
            if fault["check"] in counts and fault["column"]:
                counts[fault["check"]][fault["column"]] = fault["count"]
        return cls(rows=rows, **counts)

    def added_to(self, statistics: Mapping[str, FeatureStatistics]) -> TableStatistics:
        """Add the missing and infinite values of refused rows to the statistics of a batch's scored rows."""
        return {
            name: one.model_copy(
                update={
                    "missing": one.missing + self.missing.get(name, 0),
                    "infinite": one.infinite + self.infinite.get(name, 0),
                }
            )
            for name, one in statistics.items()
        }


@dataclass(frozen=True)
class Earlier:
    """An earlier batch of the same model: its scores (`placement`), whether it was judged, and with which
    spread."""

    scores: TableStatistics
    is_judged: bool
    spread: Spread = field(default_factory=Spread)


@dataclass(frozen=True)
class Known:
    """What is known beside the two tables; every field may be left out.

    `units` by feature, for the sentence. `weights`: how much the model depends on each feature per standard
    deviation (its coefficients on scaled features); the sign does not matter, a feature without one counts as
    0. `label` is the column of the true class, `holdout` the model's answers on rows that it did not learn.
    `earlier` batches of the model, oldest first. `spread`: what batches differ by beyond the chance of
    independent rows, in standard deviations (`spread`).
    """

    units: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    label: str = ""
    holdout: Answered | None = None
    rejected: Rejected = field(default_factory=Rejected)
    earlier: Sequence[Earlier] = ()
    spread: float = 0.0
