"""Records of actions about a drift verdict: alerts and retraining."""

from __future__ import annotations

from typing import Literal

from iris_core.drift.thresholds import Severity
from iris_core.ledger.model import ModelRef
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.base import Payload, Record
from iris_core.store.versions import ObjectVersion


class AlertRecord(Record):
    """An alert was delivered on a channel; `verdict` is the drift record's path, `alert` the alert's id."""

    class Inputs(Payload):
        verdict: str

    class Evidence(Payload):
        channel: str
        alert: str
        violations: str

    KIND = "action"

    outcome: Literal[Outcome.ALERTED] = Outcome.ALERTED
    inputs: Inputs
    evidence: Evidence


class RetrainRecord(Record):
    """Drift requested a training on `object`, or was stopped: another one on the same data would not help."""

    class Inputs(Payload):
        verdict: str
        model: ModelRef | None = None
        object: ObjectVersion

    class Evidence(Payload):
        severity: Severity
        cooldown_hours: float
        budget: int

    KIND = "action"

    outcome: Literal[Outcome.REQUESTED, Outcome.STOPPED]
    inputs: Inputs
    evidence: Evidence

    @property
    def about(self) -> ObjectVersion:
        return self.inputs.object

    @property
    def model(self) -> ModelRef | None:
        return self.inputs.model
