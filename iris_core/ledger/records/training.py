"""The record of a training."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.base import Payload
from iris_core.ledger.records.objects import ObjectInputs, ObjectRecord, TrainingSettings


class StoredProfile(BaseModel):
    """The address of a model's profile, and the SHA-256 and size in bytes of its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str
    digest: str
    size: int


class Try(Payload):
    """A try of a search: the parameters, and the score in the declared metric on rows left out."""

    parameters: dict[str, Any]
    score: float


class TrainedRecord(ObjectRecord):
    """A model was trained and logged.

    `rows` counts all rows, `holdout_rows` those that were held out; the scores are on the latter.
    `agreement` counts the held-out rows by label, then by answer.
    `validation` is the evidence of the table's validation. `profile` is None in records from before models
    had profiles. `model_digest` is the SHA-256 of the model's files as they were logged, `search` has the
    tries of a search, the chosen one first. `precision` and `recall` are those of the positive class, where
    project.json names one.
    """

    class Inputs(ObjectInputs):
        config: TrainingSettings

    class Outputs(Payload):
        run_id: str
        model_uri: str
        profile: StoredProfile | None = None
        model_digest: str = ""

    class Evidence(Payload):
        rows: int
        holdout_rows: int
        accuracy: float
        f1_macro: float
        train_accuracy: float
        validation: dict[str, Any]
        agreement: dict[str, dict[str, int]] | None = None
        search: tuple[Try, ...] = ()
        precision: float | None = None
        recall: float | None = None

    KIND = "training"

    outcome: Literal[Outcome.TRAINED] = Outcome.TRAINED
    inputs: Inputs
    outputs: Outputs
    evidence: Evidence

    @property
    def run_id(self) -> str:
        return self.outputs.run_id
