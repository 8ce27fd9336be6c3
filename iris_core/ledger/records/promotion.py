"""Records of the gate's verdicts and measurements, of requests for a human's answer, and of rollbacks."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from iris_core.ledger.model import ModelRef
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.base import Digits, Moment, Payload, Record
from iris_core.store.versions import ObjectVersion


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
    """How to draw the holdout rows again: `share` of the object version, stratified, drawn with `seed`.

    `digest` is the SHA-256 of the rows' values.
    """

    object: str
    digest: str
    rows: int
    learned_rows: int
    share: float
    seed: int


class Floor(_Frozen):
    """The model compared with always answering the majority class of the training rows.

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
    """One class on the holdout; `difference` is the recall minus the champion's recall, on the compared rows.

    `recall` is None without rows.
    """

    name: str
    learned_rows: int
    rows: int
    recall: float | None
    champion_recall: float | None = None
    difference: Interval | None = None


class ColumnPlacement(_Frozen):
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

    @property
    def is_typical(self) -> bool:
        """Whether the mean is in the typical range; True without a range."""
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


class Surprise(_Frozen):
    """How right the champion is on rows of the new table that it was not trained on, and on its own holdout.

    `p_value` is Fisher's, one-sided: so many wrong answers more by chance. At most `limit`, and the table is
    suspect: labels are wrong, or the world has changed, which no number can tell apart. `on_suspect` is what
    the deployment does then.
    """

    right: int
    rows: int
    own_right: int
    own_rows: int
    p_value: float
    limit: float
    on_suspect: Literal["ask", "refuse", "accept"]

    @property
    def is_suspect(self) -> bool:
        return self.p_value <= self.limit

    @property
    def sentence(self) -> str:
        new, own = self.right / self.rows, self.own_right / self.own_rows
        found = (
            f"the champion is right on {new:.0%} of {self.rows} rows of this table that it was not trained "
            f"on, and on {own:.0%} of its own {self.own_rows} holdout rows"
        )
        if not self.is_suspect:
            return found
        return f"{found} (p = {self.p_value:.2g}): labels are wrong, or the world has changed"


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

    `surprise` is None without a champion, or with too few rows to compare. `approval` is set if a human was
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


class PromotionInputs(Payload):
    """The model version, the path of its training's record, and when it was trained and its data landed."""

    model: str
    version: Digits
    run_id: str | None = None
    training: str = ""
    trained_at: Moment = None
    landed_at: Moment = None


class JudgedInputs(PromotionInputs):
    """The inputs of a verdict, with the object that the model was trained on."""

    object: ObjectVersion | None = None


class PromotionRecord(Record):
    """A decision about staging a model; `alias` and `stage` are empty if the model was refused."""

    class Outputs(Payload):
        alias: str = ""
        stage: str = ""

    KIND = "promotion"

    inputs: PromotionInputs
    outputs: Outputs = Outputs()

    @property
    def model(self) -> ModelRef:
        given = self.inputs
        return ModelRef(
            name=given.model, version=given.version, run_id=given.run_id or "", training=given.training
        )

    @property
    def stages(self) -> bool:
        """Whether this decision stages the model."""
        return self.outcome in (Outcome.PROMOTED, Outcome.ROLLED_BACK)

    @property
    def age(self) -> tuple[datetime, datetime]:
        """When the model's data landed, and when it was trained: a model is newer if this is later.

        In a record without these times, the record's own time takes their place.
        """
        known = self.inputs.trained_at or self.at
        return self.inputs.landed_at or known, known


class VerdictRecord(PromotionRecord):
    """The gate's verdict on a trained model, a human's answer included.

    There is no evidence if the holdout could not be drawn again. The outcome is `superseded` if a human was
    asked about a newer model before anybody had answered for this one.
    """

    class Nothing(Payload):
        model_config = ConfigDict(extra="forbid")

    outcome: Literal[Outcome.PROMOTED, Outcome.REFUSED, Outcome.SUPERSEDED]
    inputs: JudgedInputs
    evidence: GateEvidence | Nothing = Nothing()

    @property
    def about(self) -> ObjectVersion | None:
        return self.inputs.object


class AskedRecord(PromotionRecord):
    """A model passed the gate and a human is asked; the request is open until the model has its verdict.

    `answer` says how to answer, `may_answer` who may.
    """

    class Outputs(PromotionRecord.Outputs):
        answer: str
        may_answer: str

    outcome: Literal[Outcome.ASKED] = Outcome.ASKED
    inputs: JudgedInputs
    outputs: Outputs
    evidence: GateEvidence

    @property
    def about(self) -> ObjectVersion | None:
        return self.inputs.object


class RollbackRecord(PromotionRecord):
    """A human went back to an earlier version; `forced` means that it had never been approved."""

    class Inputs(PromotionInputs):
        from_version: Digits | Literal[""] = ""

    class Evidence(Payload):
        forced: bool

    outcome: Literal[Outcome.ROLLED_BACK] = Outcome.ROLLED_BACK
    inputs: Inputs
    evidence: Evidence
