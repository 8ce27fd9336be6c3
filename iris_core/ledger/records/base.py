"""The fields of every record, and the models that records are built from."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from iris_core.ledger.identity import IdentityField, Kind, Variant
from iris_core.ledger.model import ModelRef
from iris_core.store.versions import ObjectVersion

Digits = Annotated[int, PlainSerializer(str)]
"""A number that is text in the record's JSON."""

Moment = Annotated[
    datetime | None,
    BeforeValidator(lambda given: given or None),
    PlainSerializer(lambda moment: moment.isoformat() if moment else ""),
]
"""A time that is `isoformat` text in the record's JSON, empty where it is not known."""


_IDENTITY = ("kind", "day", "subject", "variant")


class Actor(BaseModel):
    """The actor of a decision, stored in its record: owner (`RUN_OWNER`), DAG, run, task and code version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: str = ""
    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    try_number: int = 1
    code_version: str = ""


class Payload(BaseModel):
    """Content of a record. Writes only fields that were set; keeps unknown fields of a stored record."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @model_serializer(mode="wrap")
    def _given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        return {name: value for name, value in written.items() if name in self.model_fields_set}


class Record(BaseModel):
    """One decision. `evidence` holds numbers and thresholds, `outputs` refers to what was made.

    In JSON the identity is spread over `kind`, `day`, `subject` and `variant`. `left_out` counts, by path,
    the items and characters for which the record had no room.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    KIND: ClassVar[Kind]

    identity: IdentityField
    outcome: str
    reason: str = ""
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    by: Actor
    inputs: Payload = Payload()
    outputs: Payload = Payload()
    evidence: Payload = Payload()
    points_to: str | None = None
    commit_id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    left_out: dict[str, int] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "identity" in data:
            return data
        rest = dict(data)
        parts = [str(rest.pop(part, "")) for part in _IDENTITY]
        return {"identity": "/".join(parts), **rest}

    @model_serializer(mode="wrap")
    def _spread(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        rest: dict[str, Any] = handler(self)
        rest.pop("identity")
        if not self.left_out:
            rest.pop("left_out")
        return dict(zip(_IDENTITY, self.identity.path.split("/"), strict=True)) | rest

    @property
    def kind(self) -> Kind:
        return self.identity.kind

    @property
    def subject(self) -> str:
        return self.identity.subject

    @property
    def variant(self) -> Variant:
        return self.identity.variant

    @property
    def about(self) -> ObjectVersion | None:
        """The object version that the decision is about; None if it is about something else."""
        return None

    @property
    def model(self) -> ModelRef | None:
        """The model version that the decision is about, or is made with; None without one."""
        return None

    @property
    def run_id(self) -> str:
        """The MLflow run of the decision; empty without one."""
        return ""


class UnknownCount(BaseModel):
    """Number of labels that are no class and were left out, and a few examples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = 0
    examples: tuple[str, ...] = ()


class ClassQuality(BaseModel):
    """Quality of one class: `precision` is None if it was never predicted, `recall` if no label names it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    precision: float | None
    recall: float | None
    labelled: int
    predicted: int
