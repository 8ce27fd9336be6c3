"""What was done about a drift verdict: alerts, and retraining."""

from __future__ import annotations

from typing import Literal

from iris_core.drift.thresholds import Severity
from iris_core.ledger.model import ModelRef
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.base import Payload, Record
from iris_core.store.versions import ObjectVersion


class AlertInputs(Payload):
    """The path of the drift record."""

    verdict: str


class AlertEvidence(Payload):
    """The channel, the alert's id, and what N of M said."""

    channel: str
    alert: str
    violations: str


class AlertRecord(Record):
    """An alert was delivered on a channel."""

    KIND = "action"
    outcome: Literal[Outcome.ALERTED] = Outcome.ALERTED
    inputs: AlertInputs
    evidence: AlertEvidence


class RetrainInputs(Payload):
    """The path of the drift record, the model that drifts, and what to train on."""

    verdict: str
    model: ModelRef | None = None
    object: ObjectVersion


class RetrainEvidence(Payload):
    """The verdict's severity, and the limits of retraining."""

    severity: Severity
    cooldown_hours: float
    budget: int


class RetrainRecord(Record):
    """Drift asks for a training; `stopped`: another one on the same data would not help."""

    KIND = "action"
    outcome: Literal[Outcome.REQUESTED, Outcome.STOPPED]
    inputs: RetrainInputs
    evidence: RetrainEvidence

    @property
    def about(self) -> ObjectVersion:
        return self.inputs.object

    @property
    def model(self) -> ModelRef | None:
        return self.inputs.model
