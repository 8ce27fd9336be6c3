"""Records of actions: alerts and retraining because of a drift verdict, and verdicts that are late."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from iris_core.drift.thresholds import Severity
from iris_core.ledger.identity import Kind
from iris_core.ledger.model import ModelRef
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.base import Payload, Record
from iris_core.store.versions import ObjectVersion


class AlertRecord(Record):
    """A message was delivered on a channel; `verdict` is the path of what it is about, `alert` its id."""

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


class LateRecord(Record):
    """`object` has had no verdict for longer than was promised (`VERDICT_WITHIN`).

    `missing` names the kind of decision that it waited for, `since` is when the time began, `within_s` the
    promise in seconds.
    """

    class Inputs(Payload):
        object: ObjectVersion

    class Evidence(Payload):
        missing: Kind
        since: datetime
        within_s: float

    KIND = "action"

    outcome: Literal[Outcome.LATE] = Outcome.LATE
    inputs: Inputs
    evidence: Evidence

    @property
    def about(self) -> ObjectVersion:
        return self.inputs.object
