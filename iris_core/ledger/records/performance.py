"""Records of the performance of published predictions, measured with labels that arrive later."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from iris_core.ledger.model import ModelRef
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.base import ClassQuality, Payload, UnknownCount
from iris_core.ledger.records.objects import LabelSettings, ObjectInputs, ObjectRecord


class Certainty(BaseModel):
    """Mean and standard deviation of the logarithm of the probability that was given to each row's label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    mean: float
    std: float


class ModelPerformance(Payload):
    """Performance of one model version on `joined` labels; `accuracy` is the share of right predictions.

    `agreement` counts by label, then by prediction (a confusion matrix). `repeated` predictions did not
    count, because another one of the same key did. `certainty` is given where predictions have probabilities.
    """

    model_config = ConfigDict(extra="forbid")

    model: ModelRef
    joined: int
    repeated: int
    accuracy: float
    agreement: dict[str, dict[str, int]]
    per_class: dict[str, ClassQuality]
    certainty: Certainty | None = None


class LabelEvidence(Payload):
    """Counts of a file of labels that was joined to predictions.

    Rows: `rows` in all, `unlabelled` without a label, `unknown_labels` with a label that is no class,
    `duplicate` that repeat a key with the same label. Keys: `labels` usable ones, `conflicting` with several
    labels (left out), `unmatched` that no prediction has. Tables of predictions: `tables` that were searched,
    of which `without_key` lack the key's column and `gone` no longer exist. `models` is by model version.
    """

    rows: int
    labels: int
    unlabelled: int
    unknown_labels: UnknownCount = UnknownCount()
    duplicate: int
    conflicting: int
    unmatched: int
    tables: int
    without_key: int
    gone: int
    models: dict[str, ModelPerformance]

    @property
    def matched(self) -> int:
        """Number of labels whose key at least one prediction has."""
        return self.labels - self.unmatched


class MeasuredRecord(ObjectRecord):
    """Labels were joined to predictions; the outcome is `unmatched` if no label has the key of a prediction.

    `scorings` holds the paths of the scorings that match, `verdicts` those of the drift records on
    performance.
    """

    class Inputs(ObjectInputs):
        scorings: tuple[str, ...] = ()
        config: LabelSettings

    class Outputs(Payload):
        history_run_ids: tuple[str, ...] = ()
        verdicts: tuple[str, ...] = ()

    KIND = "performance"

    outcome: Literal[Outcome.MEASURED, Outcome.UNMATCHED]
    inputs: Inputs
    outputs: Outputs = Outputs()
    evidence: LabelEvidence
