"""What a training left."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.base import Payload
from iris_core.ledger.records.objects import ObjectInputs, ObjectRecord, TrainingSettings


class TrainingInputs(ObjectInputs):
    """The training table, and the configuration."""

    config: TrainingSettings


class StoredProfile(BaseModel):
    """Where a model's profile lies, and the SHA-256 and size of its bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str
    digest: str
    size: int


class TrainingOutputs(Payload):
    """The MLflow run, the model that it logged, and its profile (None: trained before there were any)."""

    run_id: str
    model_uri: str
    profile: StoredProfile | None = None


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
