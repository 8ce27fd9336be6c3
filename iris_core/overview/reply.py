"""A reply to a question of a reader, and what replies are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from iris_core.overview.drifting import DriftPoint
from iris_core.overview.refusals import Refusal
from iris_core.overview.scorings import ScoredTable
from iris_core.overview.staged import ModelDecision, StagedModel, WaitingModel
from iris_core.overview.trace import Shown, Trace
from iris_core.overview.waiting import OwedNow

Tone = Literal["good", "note", "bad", "none"]
"""`note`: look at it when you can; `bad`: look at it now; `none`: nothing to say yet."""


class Reply(Shown):
    """The reply to one question. `todo` says what to do, empty for nothing; `trace` is what it rests on.

    `steps` is all that is to do, the most urgent first; only the last reply has any.
    """

    question: str
    tone: Tone
    sentence: str
    todo: str = ""
    steps: tuple[str, ...] = ()
    trace: Trace | None = None


@dataclass(frozen=True)
class Seen:
    """What the replies are made from. Lists are newest first; `used` has the decisions that used a table.

    `by_hand` is the version that somebody staged in MLflow while no decision in the ledger stages one; 0 for
    none.
    """

    staged: StagedModel | None
    waiting: Sequence[WaitingModel]
    tables: Sequence[ScoredTable]
    points: Sequence[DriftPoint]
    refusals: Sequence[Refusal]
    owed: OwedNow
    used: Sequence[Trace] = ()
    decisions: Sequence[ModelDecision] = ()
    by_hand: int = 0

    @property
    def has_model(self) -> bool:
        """Whether there is a model that scores."""
        return self.staged is not None or self.by_hand > 0

    @property
    def scoring(self) -> int:
        """The version that scores now; 0 for none."""
        if self.staged is None:
            return self.by_hand
        return self.staged.version if self.staged.aliased is None else self.staged.aliased
