"""Records about objects that landed: what training, scoring and labels have in common."""

from __future__ import annotations

from typing import Literal, Self

from iris_core.errors import DataRejected, GivenUp
from iris_core.ledger.model import ModelRef
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.base import Payload, Record
from iris_core.store.versions import ObjectVersion


class TrainingSettings(Payload):
    """What, beside the data and the table's schema, decides what is learned."""

    variant: str
    estimator: str
    inverse_regularization: float
    max_iterations: int
    holdout_share: float
    seed: int


class LabelSettings(Payload):
    """What decides about labels: the key they are joined by, their column, and its classes."""

    key: str
    target: str
    classes: tuple[str, ...]
    variant: str


Using = TrainingSettings | LabelSettings | ModelRef
"""What is decided with; its `variant` is part of the identity."""


class ObjectInputs(Payload):
    """The object version that was decided about."""

    object: ObjectVersion


class ObjectRecord(Record):
    """A decision about an object version."""

    inputs: ObjectInputs

    @property
    def about(self) -> ObjectVersion:
        return self.inputs.object


class GivenRecord(ObjectRecord):
    """A decision about an object version that made nothing of it, and what it was decided with."""

    class Inputs(ObjectInputs):
        config: TrainingSettings | LabelSettings | None = None
        model: ModelRef | None = None

        @classmethod
        def of(cls, version: ObjectVersion, using: Using) -> Self:
            """What to record about a version that is decided with a configuration or a model."""
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
    """The same content as the version decided before; `points_to` names that decision."""

    outcome: Literal[Outcome.UNCHANGED] = Outcome.UNCHANGED


class FailedRecord(GivenRecord):
    """Work on it ended for a cause that nobody foresaw, `tries` times.

    `error` is its type, `place` its module and line; empty where the task was killed.
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
    """A human opened what had failed again; `points_to` names that decision."""

    outcome: Literal[Outcome.REOPENED] = Outcome.REOPENED


class RejectedRecord(GivenRecord):
    """The table cannot be used; `reason` is the sentence to act on, `evidence` its findings.

    `quarantine` says where the table is kept, `rejects` are the rows of it that could not be scored.
    """

    class Outputs(Payload):
        quarantine: str = ""
        rejects: ObjectVersion | None = None

    outcome: Literal[Outcome.REJECTED] = Outcome.REJECTED
    outputs: Outputs = Outputs()

    def as_error(self) -> DataRejected:
        """The error that was raised when it was recorded."""
        return DataRejected(self.reason, self.evidence.model_dump(mode="json"))
