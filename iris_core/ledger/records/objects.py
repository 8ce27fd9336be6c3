"""Records about landed objects that training, scoring and labels have in common."""

from __future__ import annotations

from typing import Any, Literal, Self

from iris_core.errors import DataRejected, GivenUp
from iris_core.ledger.model import ModelRef
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.base import Payload, Record
from iris_core.store.versions import ObjectVersion


class TrainingSettings(Payload):
    """Everything besides the data and the table's schema that the trained model depends on.

    `model` is what project.json says of the classifier; without it, it is a logistic regression of
    `inverse_regularization` and `max_iterations`.
    """

    variant: str
    estimator: str
    inverse_regularization: float | None = None
    max_iterations: int | None = None
    holdout_share: float
    seed: int
    model: dict[str, Any] | None = None


class LabelSettings(Payload):
    """The settings that labels are joined by: the key's column, the label's column, and its classes."""

    key: str
    target: str
    classes: tuple[str, ...]
    variant: str


Using = TrainingSettings | LabelSettings | ModelRef
"""The configuration or model of a decision; its `variant` is part of the identity."""


class ObjectInputs(Payload):
    """The object version that a decision is about."""

    object: ObjectVersion


class ObjectRecord(Record):
    """A decision about an object version."""

    inputs: ObjectInputs

    @property
    def about(self) -> ObjectVersion:
        return self.inputs.object


class GivenRecord(ObjectRecord):
    """A decision that no model, predictions or measurement came of; holds the configuration or model."""

    class Inputs(ObjectInputs):
        config: TrainingSettings | LabelSettings | None = None
        model: ModelRef | None = None

        @classmethod
        def of(cls, version: ObjectVersion, using: Using) -> Self:
            """The inputs of a decision about a version, made with a configuration or a model."""
            if isinstance(using, ModelRef):
                return cls(object=version, model=using)
            return cls(object=version, config=using)

    inputs: Inputs

    @property
    def model(self) -> ModelRef | None:
        return self.inputs.model


class SupersededRecord(GivenRecord):
    """A newer version landed, or the object was deleted, before this one was used."""

    outcome: Literal[Outcome.SUPERSEDED] = Outcome.SUPERSEDED


class UnchangedRecord(GivenRecord):
    """The version has the same content as the version decided before; `points_to` names that decision."""

    outcome: Literal[Outcome.UNCHANGED] = Outcome.UNCHANGED


class FailedRecord(GivenRecord):
    """Unforeseen errors ended the work on it `tries` times.

    `error` is the last error's type, `place` its module and line; where the task was killed, `error` is
    `killed` and `place` is empty.
    """

    class Evidence(Payload):
        error: str
        place: str
        tries: int

    outcome: Literal[Outcome.FAILED] = Outcome.FAILED
    evidence: Evidence

    def as_error(self) -> GivenUp:
        """The error that was raised when it was recorded."""
        return GivenUp(self.reason)


class ReopenedRecord(GivenRecord):
    """A human reopened a failed decision; `points_to` names it."""

    outcome: Literal[Outcome.REOPENED] = Outcome.REOPENED


class RejectedRecord(GivenRecord):
    """The table cannot be used; `reason` says why and what to do, `evidence` holds the findings.

    `quarantine` is the address at which the table is kept, `rejects` holds its rows that could not be scored.
    """

    class Outputs(Payload):
        quarantine: str = ""
        rejects: ObjectVersion | None = None

    outcome: Literal[Outcome.REJECTED] = Outcome.REJECTED
    outputs: Outputs = Outputs()

    def as_error(self) -> DataRejected:
        """The error that was raised when it was recorded."""
        return DataRejected(self.reason, self.evidence.model_dump(mode="json"))
