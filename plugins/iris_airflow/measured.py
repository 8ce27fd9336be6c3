"""Sends metrics of our own with Airflow's, where Airflow sends any: by StatsD, Datadog or OpenTelemetry.

`iris.owed`, gauge
    Every minute with `VERDICT_WITHIN`: uploads without a verdict.
`iris.oldest_owed_s`, gauge
    Then, too: seconds since the oldest of them landed, 0 without one.
`iris.promised_s`, gauge
    Then, too: `VERDICT_WITHIN` in seconds.
`iris.severity`, gauge
    With each drift verdict: -1 insufficient, 0 none, 1 low, 2 medium, 3 high.
`iris.refused`, counter
    With each upload that is rejected or given up, and each model that is refused.
`iris.arrival_to_verdict_s`, timer
    With the first verdict on an upload: from its landing.

Each has the tags `project`, and `kind` (of decision) where several kinds send it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk.configuration import conf
from airflow.sdk.observability import stats

from iris_core.ledger import Ledger, Outcome, Record
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.objects import FailedRecord, RejectedRecord
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.monitoring.metrics import number

if TYPE_CHECKING:
    from iris_core.ledger.ledger import Committed
    from iris_core.ledger.workspace import Workspace
    from iris_core.monitoring.promised import LookedAt

BACKENDS = ("statsd_on", "statsd_datadog_enabled", "otel_on")
REFUSALS = frozenset({Outcome.REJECTED, Outcome.REFUSED, Outcome.FAILED})


def are_sent() -> bool:
    """Whether Airflow sends metrics."""
    return any(conf.getboolean("metrics", name, fallback=False) for name in BACKENDS)


def measured(workspace: Workspace) -> Workspace:
    """The workspace with a ledger that sends metrics; the same one where Airflow sends none."""
    if not are_sent():
        return workspace
    settings = workspace.settings
    ledger = MeasuredLedger(workspace.store, settings.bucket, settings.names.section)
    ledger.project = settings.project.full_name
    return replace(workspace, ledger=ledger)


def send_owed(workspace: Workspace, seen: LookedAt) -> None:
    """Send how many uploads have no verdict, and for how long the oldest has none.

    :param workspace: names the project.
    :param seen: a look; one that left a place out sends nothing.
    """
    if are_sent() and seen.is_all:
        now, tags = datetime.now(UTC), {"project": workspace.settings.project.full_name}
        oldest = max((now - one.since for one in seen.waiting), default=timedelta())
        stats.gauge("iris.owed", len(seen.waiting), tags=tags)
        stats.gauge("iris.oldest_owed_s", round(oldest.total_seconds()), tags=tags)
        if within := workspace.settings.verdict_within:
            stats.gauge("iris.promised_s", round(within.total_seconds()), tags=tags)


class MeasuredLedger(Ledger):
    """A ledger that sends metrics about each decision that this process commits first."""

    project = ""

    def commit(self, record: Record) -> Committed:
        """Commit a decision, as `Ledger.commit`."""
        committed = super().commit(record)
        if committed.won:
            self._send(committed.record)
        return committed

    def _send(self, record: Record) -> None:
        tags = {"project": self.project}
        if record.outcome in REFUSALS:
            stats.incr("iris.refused", tags={**tags, "kind": record.kind})
        if isinstance(record, BatchDriftRecord):
            stats.gauge("iris.severity", number(record.outcome), tags=tags)
        for landed in self._landed(record):
            stats.timing("iris.arrival_to_verdict_s", record.at - landed, tags={**tags, "kind": record.kind})

    def _landed(self, record: Record) -> Iterator[datetime]:
        """When the upload landed on which this is the first verdict; nothing where it is not."""
        if isinstance(record, BatchDriftRecord):
            about = record.about
            scorings = self.variants_of("scoring", about.landed_at.date().isoformat(), about.digest)
            is_first = len(scorings) == 1 and not record.variant.is_again
        elif isinstance(record, VerdictRecord):
            is_first = record.is_on_a_first_training
        else:
            is_verdict = isinstance(record, RejectedRecord | FailedRecord | MeasuredRecord)
            is_first = is_verdict and not record.variant.is_again
        if is_first and record.about:
            yield record.about.landed_at
