"""Records of the gate's verdicts, of requests for a human's answer, and of rollbacks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import ConfigDict

from iris_core.ledger.identity import Identity
from iris_core.ledger.model import ModelRef
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.base import Digits, Moment, Payload, Record
from iris_core.ledger.records.gate import GateEvidence
from iris_core.store.versions import ObjectVersion

BEGINNING = datetime.min.replace(tzinfo=UTC)
STAGING = frozenset({Outcome.PROMOTED, Outcome.ROLLED_BACK})
"""Outcomes of decisions that stage a model."""


class PromotionInputs(Payload):
    """The model version, the path of its training's record, and when it was trained and its data landed."""

    model: str
    version: Digits
    run_id: str | None = None
    training: str = ""
    trained_at: Moment = None
    landed_at: Moment = None

    @property
    def named(self) -> tuple[str, int, str | None]:
        """The version's model, number and run: a new registry counts from 1 again."""
        return self.model, self.version, self.run_id


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
        return self.outcome in STAGING

    @property
    def age(self) -> tuple[datetime, datetime]:
        """When the model's data landed, and when it was trained: a model is newer if this is later.

        In a record without these times, the record's own time takes their place.
        """
        return self._age(self.at)

    def _age(self, otherwise: datetime) -> tuple[datetime, datetime]:
        known = self.inputs.trained_at or otherwise
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
    def is_on_a_first_training(self) -> bool:
        """Whether its table was trained on for the first time; not again, as a retraining asks for."""
        return not Identity.parse(self.inputs.training).variant.is_again

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

    @property
    def age(self) -> tuple[datetime, datetime]:
        """As of every model; one that somebody registered by hand is older than all that were trained."""
        return self._age(BEGINNING)
