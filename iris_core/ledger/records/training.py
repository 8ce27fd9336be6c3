"""What a training left."""

from __future__ import annotations

from typing import Any, Literal

from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.base import Payload
from iris_core.ledger.records.objects import ObjectInputs, ObjectRecord, TrainingSettings


class TrainingInputs(ObjectInputs):
    """The training table, and the configuration."""

    config: TrainingSettings


class TrainingOutputs(Payload):
    """The MLflow run and the model that it logged."""

    run_id: str
    model_uri: str


class TrainingEvidence(Payload):
    """Rows in all and kept back, the model's scores on those, and what validation counted."""

    rows: int
    holdout_rows: int
    accuracy: float
    f1_macro: float
    train_accuracy: float
    validation: dict[str, Any]


class TrainedRecord(ObjectRecord):
    """A model was trained and logged."""

    KIND = "training"
    outcome: Literal[Outcome.TRAINED] = Outcome.TRAINED
    inputs: TrainingInputs
    outputs: TrainingOutputs
    evidence: TrainingEvidence

    @property
    def run_id(self) -> str:
        return self.outputs.run_id
