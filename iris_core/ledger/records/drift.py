"""Records of drift verdicts: on a scored batch, and on a model's performance."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from iris_core.drift.debounce import Debounced
from iris_core.drift.spread import Spread
from iris_core.drift.thresholds import Severity
from iris_core.ledger.model import ModelRef
from iris_core.ledger.records.base import Payload, Record
from iris_core.store.versions import ObjectVersion


class Undecided(Payload):
    """The reason why there was nothing to compare."""

    sentence: str = ""
    columns: tuple[str, ...] = ()
    chance: float = 0.0


class BatchDriftRecord(Record):
    """A verdict on a scored batch (`drift.verdict.DriftVerdict`); its outcome is the severity.

    `scoring` is the path of the scoring's record, `reference` the model's training data where it is known.
    `debounce` is the result of N of M at that time. Older records lack `chance`, `scores`, `spread` and
    `whole`.
    """

    class Inputs(Payload):
        scoring: str
        reference: ObjectVersion | None = None
        current: ObjectVersion
        model: ModelRef | None = None

    class Outputs(Payload):
        report_html: str = ""
        report_json: str = ""
        statistics: str = ""
        run_id: str = ""
        history_run_id: str = ""

    class Evidence(Payload):
        severity: Severity
        basic_severity: Severity
        chance: float = 0.0
        columns: tuple[str, ...]
        sentence: str
        reference: dict[str, Any]
        current: dict[str, Any]
        scores: dict[str, Any] = Field(default_factory=dict)
        spread: Spread = Spread()
        evidence: tuple[dict[str, Any], ...]
        whole: tuple[dict[str, Any], ...] = ()
        evidently: tuple[dict[str, Any], ...]
        debounce: Debounced

    KIND = "drift"

    outcome: Severity
    inputs: Inputs
    outputs: Outputs = Outputs()
    evidence: Evidence | Undecided

    @property
    def about(self) -> ObjectVersion:
        return self.inputs.current

    @property
    def model(self) -> ModelRef | None:
        return self.inputs.model

    @property
    def run_id(self) -> str:
        return self.outputs.run_id

    @property
    def report(self) -> str:
        """The address of the HTML report; empty without a report."""
        return self.outputs.report_html


class PerformanceDriftRecord(Record):
    """A verdict on a model's performance on late labels (`drift.performance.PerformanceVerdict`).

    `performance` is the path of the labels' record.
    """

    class Inputs(Payload):
        performance: str
        current: ObjectVersion
        model: ModelRef

    class Evidence(Payload):
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

    KIND = "drift"

    outcome: Severity
    inputs: Inputs
    evidence: Evidence | Undecided

    @property
    def about(self) -> ObjectVersion:
        return self.inputs.current

    @property
    def model(self) -> ModelRef:
        return self.inputs.model

    @property
    def report(self) -> str:
        """Empty: there is no report on performance."""
        return ""


DriftRecord = BatchDriftRecord | PerformanceDriftRecord
