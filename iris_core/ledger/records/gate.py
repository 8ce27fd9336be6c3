"""What the gate measured: the evidence of a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from iris_core.ledger.records.base import Payload
from iris_core.ledger.records.suspect import Closed, Doubts, Leaks, Surprise
from iris_core.settings.project import CostMatrix, Metric, metric_label

STANDARD_ERRORS = 3.0
"""So many a column's mean may lie outside of what is typical: chance moves that of a class with few rows."""


class Pairs(Closed):
    """Rows that two models answered: in `better` only the first was right, in `worse` only the second."""

    rows: int
    better: int
    worse: int

    @property
    def difference(self) -> float:
        """The first one's share of right answers minus the second one's."""
        return (self.better - self.worse) / self.rows


class Interval(Closed):
    """A two-sided confidence interval."""

    low: float
    high: float
    level: float


class Holdout(Closed):
    """How to draw the holdout rows again: `share` of the object version, stratified, drawn with `seed`.

    `digest` is the SHA-256 of the rows' values.
    """

    object: str
    digest: str
    rows: int
    learned_rows: int
    share: float
    seed: int


class Floor(Closed):
    """The model compared with always answering the majority class of the training rows.

    Shown to be better: `p_value` (one-sided, exact) is at most `limit`. On a table where one class is nearly
    everything no answers can be. There it is enough that some class is named more often on its own rows than
    chance would (`recognised_p_value`, Fisher's, at most `limit`), and that the answers are not shown to be
    worse in all (`worse_p_value`). `score` and `blind_score` are in the declared metric, where that is not
    accuracy.
    """

    majority: str
    accuracy: float
    majority_accuracy: float
    pairs: Pairs
    p_value: float
    limit: float
    recognised_p_value: float = 1.0
    worse_p_value: float = 0.0
    score: float | None = None
    blind_score: float | None = None

    @property
    def is_better(self) -> bool:
        return self.p_value <= self.limit

    @property
    def passed(self) -> bool:
        recognises = self.recognised_p_value <= self.limit < self.worse_p_value
        return self.is_better or recognises


class ClassSlice(Closed):
    """One class on the holdout; `difference` is the recall minus the champion's recall, on the compared rows.

    `recall` is None without rows.
    """

    name: str
    learned_rows: int
    rows: int
    recall: float | None
    champion_recall: float | None = None
    difference: Interval | None = None


class ColumnPlacement(Closed):
    """A feature's mean in one part of the table, with equal weight for every class, and its typical range.

    `according_to` names the source of the range; it is empty, and there is no range, if neither source has
    one.
    """

    name: str
    part: Literal["training", "holdout"]
    mean: float
    unit: str
    typical_min: float | None
    typical_max: float | None
    according_to: Literal["project.json", "the champion's training rows", ""] = ""
    standard_error: float = 0.0

    @property
    def is_typical(self) -> bool:
        """Whether the mean is in the typical range, or outside of it by chance; True without a range."""
        chance = STANDARD_ERRORS * self.standard_error
        above = self.typical_min is None or self.mean + chance >= self.typical_min
        return above and (self.typical_max is None or self.mean - chance <= self.typical_max)


class Champion(Closed):
    """The staged version, or the best earlier one, on the challenger's holdout, on the same rows.

    `rows_seen` are holdout rows that the champion was trained on (None: its training data is not known). They
    are left out of the comparison while enough others remain (`compared_on`), because it knows their answers.
    `detectable_loss` is the smallest loss that this comparison could have shown. `score` and
    `challenger_score` are in the declared metric, where that is not accuracy, and so is `difference`.
    """

    version: int
    run_id: str
    accuracy: float
    challenger_accuracy: float
    pairs: Pairs
    difference: Interval
    margin: float
    rows_seen: int | None
    compared_on: Literal["unseen rows", "all rows"]
    detectable_loss: float
    score: float | None = None
    challenger_score: float | None = None

    @property
    def shown(self) -> tuple[float, float]:
        """The challenger's score and this one's, in the declared metric."""
        if self.score is None or self.challenger_score is None:
            return self.challenger_accuracy, self.accuracy
        return self.challenger_score, self.score

    @property
    def gain(self) -> float:
        """The challenger's score minus this one's."""
        ours, theirs = self.shown
        return ours - theirs


class Slide(Closed):
    """The champion against the best earlier version (`version`), on rows of the new table unknown to both.

    A positive `gain` means that the champion is better; `error` is the gain's standard error. `fingerprint`
    is drawn from the rows: two tables that share rows share parts of it. `all_rows`, `all_gain` and
    `difference` are of all champions since that version, on `tables` tables that share no rows, this one
    included.
    """

    version: int
    champion: int
    rows: int
    gain: float
    error: float
    fingerprint: tuple[str, ...]
    tables: int
    all_rows: int
    all_gain: float
    difference: Interval
    margin: float

    @property
    def is_too_long(self) -> bool:
        """Whether a loss is shown, and is more than the margin as measured."""
        return self.difference.high < 0 and -self.all_gain > self.margin


class Importance(Closed):
    """How much the score falls if a feature's values are shuffled: mean and standard deviation."""

    name: str
    mean: float
    std: float


class Importances(Closed):
    """Permutation importance in the declared metric, of the features that matter most, greatest first.

    On `rows` rows of the holdout, each feature shuffled `repeats` times. `left_out` features matter less.
    """

    rows: int
    repeats: int
    features: tuple[Importance, ...]
    left_out: int = 0


class Approval(Payload):
    """What a human answered, who and why; in older records `by` is empty when nobody did in time."""

    approved: bool
    by: str = ""
    at: datetime | None = None
    reason: str = ""

    @property
    def sentence(self) -> str:
        if not self.by:
            return "nobody approved it in time"
        why = f": {self.reason}" if self.reason else ""
        return f"{'approved' if self.approved else 'rejected'} by {self.by}{why}"


class GateEvidence(Payload):
    """Everything that the verdict is based on. Without a champion, `no_champion` says why.

    `metric` is the declared one, `costs` its matrix where it is cost. `score` and its interval are given
    where it is not accuracy. `anchor` is the best earlier version, which the loss of all steps together is
    measured against; `slide` is the loss of the steps before this one. `importance` says which features the
    model's answers rest on. `surprise` is None without a champion,
    or where `no_surprise` says why. `doubts` are about a suspect table. `approval` is given where a human was
    asked.
    """

    accuracy: float
    accuracy_interval: Interval
    threshold: float
    holdout_rows: int
    holdout: Holdout
    floor: Floor
    learnable: Floor | None
    classes: tuple[ClassSlice, ...]
    columns: tuple[ColumnPlacement, ...]
    champion: Champion | None = None
    no_champion: str = ""
    surprise: Surprise | None = None
    approval: Approval | None = None
    metric: str = "accuracy"
    score: float | None = None
    score_interval: Interval | None = None
    anchor: Champion | None = None
    no_surprise: str = ""
    leaks: Leaks | None = None
    doubts: Doubts | None = None
    slide: Slide | None = None
    importance: Importances | None = None
    costs: Mapping[str, Mapping[str, float]] = Field(default_factory=dict)

    def is_by(self, metric: Metric) -> bool:
        """Whether the scores are in this metric."""
        costs = metric.cost if isinstance(metric, CostMatrix) else {}
        return (self.metric, self.costs) == (metric_label(metric), costs)

    @property
    def is_suspect(self) -> bool:
        """Whether only a human can tell if the table is sound."""
        return (self.surprise is not None and self.surprise.is_suspect) or self.leaks is not None

    @property
    def judged(self) -> tuple[float, Interval]:
        """The score in the declared metric, and its interval."""
        if self.score is None or self.score_interval is None:
            return self.accuracy, self.accuracy_interval
        return self.score, self.score_interval

    @property
    def suspicion(self) -> str:
        """What is suspect about the table, and which labels; empty where nothing is."""
        told = [
            self.surprise.sentence if self.surprise and self.surprise.is_suspect else "",
            self.leaks.sentence if self.leaks else "",
            self.doubts.sentence if self.doubts else "",
        ]
        return "; ".join(filter(None, told)) if self.is_suspect else ""
