"""Drift verdicts: on a scored batch, and on what labels say of a model's performance."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from iris_core.drift.debounce import Debounced
from iris_core.drift.thresholds import Severity
from iris_core.ledger.model import ModelRef
from iris_core.ledger.records.base import Payload, Record
from iris_core.store.versions import ObjectVersion


class BatchInputs(Payload):
    """A scoring, what its model was trained on where that is known, and the object that was scored."""

    scoring: str
    reference: ObjectVersion | None = None
    current: ObjectVersion
    model: ModelRef | None = None


class PerformanceInputs(Payload):
    """The record of labels, their object, and the model version that they speak of."""

    performance: str
    current: ObjectVersion
    model: ModelRef


class ReportOutputs(Payload):
    """Where a report lies, and its MLflow runs; nothing where there was nothing to compare."""

    report_html: str = ""
    report_json: str = ""
    statistics: str = ""
    run_id: str = ""
    history_run_id: str = ""


class Undecided(Payload):
    """Why there was nothing to compare."""

    sentence: str = ""
    columns: tuple[str, ...] = ()
    chance: float = 0.0


class BatchEvidence(Payload):
    """A verdict on a batch (`drift.verdict.DriftVerdict`), and what N of M said of it at the time.

    `chance`, `scores` and `whole` are not in older records.
    """

    severity: Severity
    basic_severity: Severity
    chance: float = 0.0
    columns: tuple[str, ...]
    sentence: str
    reference: dict[str, Any]
    current: dict[str, Any]
    scores: dict[str, Any] = Field(default_factory=dict)
    evidence: tuple[dict[str, Any], ...]
    whole: tuple[dict[str, Any], ...] = ()
    evidently: tuple[dict[str, Any], ...]
    debounce: Debounced


class PerformanceEvidence(Payload):
    """A verdict on performance (`drift.performance.PerformanceVerdict`), and what N of M said of it."""

    severity: Severity
    sentence: str
    columns: tuple[str, ...]
    reference: dict[str, int]
    current: dict[str, int]
    loss: float
    noise: float
    chance: float = 0.0
    thresholds: dict[str, Any]
    debounce: Debounced


class DriftRecord(Record):
    """A drift verdict; its outcome is the severity."""

    KIND = "drift"
    outcome: Severity
    inputs: BatchInputs | PerformanceInputs
    outputs: ReportOutputs = ReportOutputs()
    evidence: BatchEvidence | PerformanceEvidence | Undecided

    @property
    def about(self) -> ObjectVersion:
        return self.inputs.current

    @property
    def model(self) -> ModelRef | None:
        return self.inputs.model


class BatchDriftRecord(DriftRecord):
    """A verdict on a scored batch."""

    inputs: BatchInputs
    evidence: BatchEvidence | Undecided

    @property
    def run_id(self) -> str:
        return self.outputs.run_id


class PerformanceDriftRecord(DriftRecord):
    """A verdict on a model's performance, by labels that came later."""

    inputs: PerformanceInputs
    evidence: PerformanceEvidence | Undecided
