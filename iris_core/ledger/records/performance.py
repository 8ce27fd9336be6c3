"""What labels that came later say of published predictions."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from iris_core.ledger.model import ModelRef
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.base import ClassQuality, Payload, UnknownCount
from iris_core.ledger.records.objects import LabelSettings, ObjectInputs, ObjectRecord


class ModelPerformance(BaseModel):
    """What the labels say of one model version: `joined` keys, of which `accuracy` were predicted right.

    `agreement` counts by label, then by prediction (a confusion matrix). `repeated` predictions of a key
    were passed over for a newer one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelRef
    joined: int
    repeated: int
    accuracy: float
    agreement: dict[str, dict[str, int]]
    per_class: dict[str, ClassQuality]


class LabelEvidence(Payload):
    """A file of labels against predictions.

    Rows: `rows` in all, `unlabelled` without a label, `unknown_labels` with one that is no class,
    `duplicate` that say the same again. Keys: `labels` usable ones, `conflicting` with several labels (left
    out), `unmatched` that no prediction has. Tables of predictions: `tables` looked through, of which
    `without_key` lack the key's column and `gone` are gone. `models` is by model version.
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
        """Labels that at least one prediction has."""
        return self.labels - self.unmatched


class MeasuredRecord(ObjectRecord):
    """Labels were joined to predictions; `unmatched`: none of them has an id that was predicted.

    `scorings` are the paths of the matched ones, `verdicts` of the drift records on the models' performance.
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
