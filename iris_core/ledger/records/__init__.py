"""Records: a type for each kind of decision and outcome, and the union of these types."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Tag, TypeAdapter

from iris_core.ledger.records.action import AlertRecord, LateRecord, RetrainRecord
from iris_core.ledger.records.base import Record
from iris_core.ledger.records.drift import BatchDriftRecord, PerformanceDriftRecord
from iris_core.ledger.records.objects import (
    FailedRecord,
    RejectedRecord,
    ReopenedRecord,
    SupersededRecord,
    UnchangedRecord,
)
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.ledger.records.promotion import AskedRecord, RollbackRecord, VerdictRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord


def _tag(record: Any) -> str | None:
    """The tag of a record's type: its outcome, unless that is ambiguous; for drift, what was judged."""
    if not isinstance(record, dict) or not isinstance(record.get("inputs"), dict):
        return None
    if record.get("kind") == "drift" and record.get("outcome") not in ("failed", "reopened"):
        return "performance" if "performance" in record["inputs"] else "batch"
    if record.get("kind") == "promotion" and record.get("outcome") == "superseded":
        return "superseded model"
    return str(record.get("outcome"))


AnyRecord = Annotated[
    Annotated[TrainedRecord, Tag("trained")]
    | Annotated[ScoredRecord, Tag("scored")]
    | Annotated[MeasuredRecord, Tag("measured")]
    | Annotated[MeasuredRecord, Tag("unmatched")]
    | Annotated[RejectedRecord, Tag("rejected")]
    | Annotated[SupersededRecord, Tag("superseded")]
    | Annotated[UnchangedRecord, Tag("unchanged")]
    | Annotated[FailedRecord, Tag("failed")]
    | Annotated[ReopenedRecord, Tag("reopened")]
    | Annotated[VerdictRecord, Tag("promoted")]
    | Annotated[VerdictRecord, Tag("refused")]
    | Annotated[VerdictRecord, Tag("superseded model")]
    | Annotated[AskedRecord, Tag("asked")]
    | Annotated[RollbackRecord, Tag("rolled back")]
    | Annotated[BatchDriftRecord, Tag("batch")]
    | Annotated[PerformanceDriftRecord, Tag("performance")]
    | Annotated[AlertRecord, Tag("alerted")]
    | Annotated[RetrainRecord, Tag("requested")]
    | Annotated[RetrainRecord, Tag("stopped")]
    | Annotated[LateRecord, Tag("late")],
    Discriminator(_tag),
]
_ANY: TypeAdapter[AnyRecord] = TypeAdapter(AnyRecord)


def parse(raw: bytes) -> Record:
    """The record in the stored bytes.

    :raises ValidationError: the bytes are no record.
    """
    return _ANY.validate_json(raw)
