"""Drift verdicts without the reports behind them, and channels that keep what they are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from iris_core.drift.thresholds import Severity
from iris_core.errors import AlertUndelivered
from iris_core.ledger import Identity, ModelRef
from iris_core.ledger.records.drift import BatchDriftRecord, Undecided
from iris_core.ledger.workspace import Workspace
from iris_core.store.objects import ObjectVersion

MODEL = ModelRef(name="a_model", version=3, run_id="0123456789abcdef")
SENTENCE = "petal_length is 2.0 standard deviations higher than in the training data."


def landed(workspace: Workspace, number: int) -> ObjectVersion:
    """The batch that landed so many seconds after the first of January."""
    return ObjectVersion(
        bucket=workspace.settings.bucket,
        key=workspace.settings.test_key,
        version_id=f"v{number}",
        etag=f"e{number}",
        size=1,
        landed_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number),
    )


def verdict(
    workspace: Workspace,
    number: int,
    severity: Severity = "high",
    model: ModelRef = MODEL,
    age: timedelta = timedelta(0),
) -> BatchDriftRecord:
    """The record of a verdict, without the report behind it."""
    batch, at = landed(workspace, number), datetime.now(UTC) - age
    scoring = Identity.of_object("scoring", batch, model.variant)
    record = BatchDriftRecord(
        identity=Identity.of_drift(scoring, at),
        at=at,
        outcome=severity,
        by=workspace.actor,
        reason=SENTENCE,
        inputs=BatchDriftRecord.Inputs(scoring=scoring.path, current=batch, model=model),
        evidence=Undecided(columns=("petal_length",)),
    )
    workspace.ledger.commit(record)
    return record


class Channel:
    """Keeps what was delivered; fails as often as it is told to, with what it is told to."""

    def __init__(self, failures: int = 0, error: Exception | None = None) -> None:
        self.failures = failures
        self.error = error or AlertUndelivered("channel.example answered 503, expected 2xx.")
        self.got: list[Any] = []

    def __call__(self, alert: Any) -> None:
        if self.failures:
            self.failures -= 1
            raise self.error
        self.got.append(alert)

    @property
    def told(self) -> list[str]:
        return [alert.verdict for alert in self.got]
