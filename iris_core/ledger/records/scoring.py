"""The record of a scoring."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from iris_core.ledger.model import ModelRef
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.base import ClassQuality, Payload, UnknownCount
from iris_core.ledger.records.objects import ObjectInputs, ObjectRecord
from iris_core.store.versions import ObjectVersion


class ScoredRecord(ObjectRecord):
    """Predictions were published; `rejects` holds the rows without one, `manifest` all that they follow from.

    `faults` counts rejected rows by kind of fault and column, `agreement` counts labelled rows by label, then
    by prediction. `seconds` is what the shards took together, without loading the model; None in older
    records.
    """

    class Inputs(ObjectInputs):
        model: ModelRef

    class Outputs(Payload):
        predictions: ObjectVersion
        rejects: ObjectVersion | None = None
        manifest: ObjectVersion | None = None
        run_id: str = ""

    class Evidence(Payload):
        rows: int = 0
        rejected: int = 0
        faults: tuple[dict[str, Any], ...] = ()
        classes: dict[str, int] = Field(default_factory=dict)
        agreement: dict[str, dict[str, int]] = Field(default_factory=dict)
        unknown_labels: UnknownCount = UnknownCount()
        accuracy: float | None = None
        shards: int = 1
        seconds: float | None = None
        per_class: dict[str, ClassQuality] = Field(default_factory=dict)

    KIND = "scoring"

    outcome: Literal[Outcome.SCORED] = Outcome.SCORED
    inputs: Inputs
    outputs: Outputs
    evidence: Evidence

    @property
    def model(self) -> ModelRef:
        return self.inputs.model

    @property
    def run_id(self) -> str:
        return self.outputs.run_id
