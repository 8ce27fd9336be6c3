"""Alerts about drift: what is owed is computed from the ledger, each is recorded once it is delivered.

An alert is owed for every alerting verdict (`verdicts.with_debounce`) of the last day, on every configured
channel, until the ledger holds an `action` record of it. The record is written after the delivery: a
channel that fails is tried again, and a task that is killed between delivery and record delivers the same
alert, with the same `id`, a second time. So: at least once, recorded once; a receiver that must not see
anything twice remembers ids. The other way round, a crash would lose the alert.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from iris_core.drift.debounce import Debounced
from iris_core.errors import AlertUndelivered, NothingOwed
from iris_core.ledger import Identity
from iris_core.ledger.records.action import AlertRecord
from iris_core.ledger.records.drift import DriftRecord
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import verdicts

log = logging.getLogger(__name__)

HORIZON = timedelta(days=1)
"""Older verdicts alert nobody any more: switching a channel on does not send the past."""


class Alert(BaseModel):
    """What a channel is given. `id` is the same whenever the same alert is delivered again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    severity: str
    sentence: str
    columns: tuple[str, ...]
    model: str
    data: str
    report: str
    violations: str
    verdict: str
    team: str
    environment: str

    @property
    def title(self) -> str:
        """One line for a subject or a first line."""
        return f"Drift {self.severity}: {self.model} ({self.team}, {self.environment})"

    @property
    def text(self) -> str:
        """The whole alert for a person, several lines."""
        return "\n".join(
            (
                self.title,
                self.sentence,
                f"Batch: {self.data}",
                f"Alert: {self.violations}",
                f"Report: {self.report or 'none'}",
                f"Ledger: {self.verdict}",
            )
        )


Deliver = Callable[[Alert], None]


def alerting(workspace: Workspace) -> list[tuple[DriftRecord, Debounced]]:
    """The verdicts of the last day that alert, oldest first."""
    since = datetime.now(UTC) - HORIZON
    return [
        (record, state)
        for record, state in verdicts.with_debounce(workspace)
        if state.alert and record.at >= since
    ]


def deliver_owed(workspace: Workspace, channels: Mapping[str, Deliver]) -> list[dict[str, Any]]:
    """Deliver every alert that is owed; a channel that fails does not hold the others.

    :raises NothingOwed: no channel is configured, or every alert has been delivered.
    :raises AlertUndelivered: some could not be delivered; trying again delivers only those.
    """
    if not channels:
        raise NothingOwed(
            "No alert channel is configured: see DRIFT_ALERT_WEBHOOK, DRIFT_ALERT_SLACK, DRIFT_ALERT_EMAIL."
        )
    delivered, failed = [], []
    for record, state, channel in _owed(workspace, channels):
        alert = alert_of(workspace, record, state)
        try:
            channels[channel](alert)
        except AlertUndelivered as error:
            log.warning("Alert %s is not delivered: %s", alert.id, error)
            failed.append(str(error))
            continue
        _record(workspace, record, alert, channel)
        delivered.append({"id": alert.id, "channel": channel, "severity": alert.severity})
    if failed:
        raise AlertUndelivered("; ".join(dict.fromkeys(failed)))
    if not delivered:
        raise NothingOwed("No alert is owed.")
    return delivered


def _owed(
    workspace: Workspace, channels: Mapping[str, Deliver]
) -> Iterator[tuple[DriftRecord, Debounced, str]]:
    for record, state in alerting(workspace):
        for channel in channels:
            if workspace.ledger.get(Identity.of_alert(record.identity, channel)) is None:
                yield record, state, channel


def alert_of(workspace: Workspace, record: DriftRecord, state: Debounced) -> Alert:
    """The alert about a verdict."""
    model = record.model
    path = record.identity.path
    return Alert(
        id=hashlib.sha256(f"{workspace.settings.bucket}/{path}".encode()).hexdigest()[:32],
        severity=record.outcome,
        sentence=record.reason,
        columns=record.evidence.columns,
        model=f"{model.name} version {model.version}" if model else "",
        data=f"s3://{record.about.bucket}/{record.about.key}",
        report=record.report,
        violations=f"{state.violations} of the last {state.seen} batches are {state.least} or worse",
        verdict=path,
        team=workspace.settings.team,
        environment=workspace.settings.platform_env,
    )


def _record(workspace: Workspace, verdict: DriftRecord, alert: Alert, channel: str) -> None:
    record = AlertRecord(
        identity=Identity.of_alert(verdict.identity, channel),
        by=workspace.actor,
        reason=alert.title,
        inputs=AlertRecord.Inputs(verdict=alert.verdict),
        evidence=AlertRecord.Evidence(channel=channel, alert=alert.id, violations=alert.violations),
    )
    workspace.ledger.commit(record)
