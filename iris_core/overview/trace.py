"""Where a number comes from: its ledger record, object and runs."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from iris_core.ledger import Record


class Shown(BaseModel):
    """A part of the overview; JSON-able."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Trace(Shown):
    """The decision that something was read from.

    `record` is the path of its ledger record. `object` is the address of what it is about, `mlflow_run` its
    run; both may be empty. `dag_id` and `dag_run` name the Airflow run; they are empty for a person's
    decision.
    """

    record: str
    kind: str
    outcome: str
    reason: str
    at: datetime
    owner: str = ""
    dag_id: str = ""
    dag_run: str = ""
    object: str = ""
    landed_at: datetime | None = None
    mlflow_run: str = ""

    @classmethod
    def of(cls, record: Record) -> Trace:
        """The trace of what is read from a record."""
        about = record.about
        return cls(
            record=record.identity.path,
            kind=record.kind,
            outcome=record.outcome,
            reason=record.reason,
            at=record.at,
            owner=record.by.owner,
            dag_id=record.by.dag_id,
            dag_run=record.by.run_id,
            object=about.uri if about else "",
            landed_at=about.landed_at if about else None,
            mlflow_run=record.run_id or (record.model.run_id if record.model else ""),
        )

    @property
    def landing(self) -> tuple[datetime, datetime]:
        """Sorts traces by when their objects landed; those of one object by when they were decided."""
        return self.landed_at or self.at, self.at
