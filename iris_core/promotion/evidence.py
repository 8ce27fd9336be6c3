"""What the gate measured: numbers, intervals and thresholds, as MLflow and the ledger keep them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pairs(_Frozen):
    """Rows that two models answered: in `better` only the first was right, in `worse` only the second."""

    rows: int
    better: int
    worse: int

    @property
    def difference(self) -> float:
        """The first one's share of right answers minus the second one's."""
        return (self.better - self.worse) / self.rows


class Interval(_Frozen):
    """A two-sided confidence interval."""

    low: float
    high: float
    level: float


class Holdout(_Frozen):
    """The rows that were kept back, so that they can be found again: `share` of the object version,
    stratified, drawn with `seed`; `digest` is the SHA-256 of their values."""

    object: str
    digest: str
    rows: int
    learned_rows: int
    share: float
    seed: int


class Floor(_Frozen):
    """Answers against always naming the majority class of what was learned from.

    `p_value` is one-sided and exact; it must not exceed `limit`.
    """

    majority: str
    accuracy: float
    majority_accuracy: float
    pairs: Pairs
    p_value: float
    limit: float

    @property
    def passed(self) -> bool:
        return self.p_value <= self.limit


class ClassSlice(_Frozen):
    """One class on the holdout; `difference` is the recall's against the champion's, on the compared rows.

    `recall` is None without rows.
    """

    name: str
    learned_rows: int
    rows: int
    recall: float | None
    champion_recall: float | None = None
    difference: Interval | None = None


class Column(_Frozen):
    """A feature's mean in one part of the table, every class weighing the same, and where it is typical.

    `according_to`: project.json, else the champion's training rows, else nobody, and nothing is typical.
    """

    name: str
    part: Literal["training", "holdout"]
    mean: float
    unit: str
    typical_min: float | None
    typical_max: float | None
    according_to: Literal["project.json", "the champion's training rows", ""] = ""

    @property
    def is_typical(self) -> bool:
        """True also where nothing is declared."""
        above = self.typical_min is None or self.mean >= self.typical_min
        return above and (self.typical_max is None or self.mean <= self.typical_max)


class Champion(_Frozen):
    """The staged version on the challenger's holdout, on the same rows.

    `rows_seen` are holdout rows that the champion was trained on (None: its training data is not known). They
    are left out of the comparison while enough others remain (`compared_on`), because it knows their answers.
    `detectable_loss` is the smallest loss that this comparison could have shown.
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


class Evidence(_Frozen):
    """Everything that the verdict rests on. Without a champion, `no_champion` says why."""

    accuracy: float
    accuracy_interval: Interval
    threshold: float
    holdout_rows: int
    holdout: Holdout
    floor: Floor
    learnable: Floor | None
    classes: tuple[ClassSlice, ...]
    columns: tuple[Column, ...]
    champion: Champion | None = None
    no_champion: str = ""


class Check(_Frozen):
    """One question to the evidence, and the answer as a sentence."""

    name: str
    passed: bool
    sentence: str


class Verdict(_Frozen):
    """All checks; a model is promoted when it passes every one of them."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def reason(self) -> str:
        """What refused it, else what it passed."""
        told = [check for check in self.checks if check.passed == self.passed]
        return "; ".join(check.sentence for check in told)
