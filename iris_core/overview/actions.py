"""What followed from drift: alerts that were sent, retrainings that were requested or stopped."""

from __future__ import annotations

from iris_core.ledger.records.action import AlertRecord, RetrainRecord
from iris_core.overview.recent import Recent
from iris_core.overview.trace import Shown, Trace


class SentAction(Shown):
    """An alert or a retrain request; `about` is the path of the record that it is about.

    `channel` is empty for a retrain request.
    """

    trace: Trace
    channel: str
    about: str
    violations: str


def sent_actions(recent: Recent) -> list[SentAction]:
    """The newest alerts and retrain requests, newest first."""
    found: list[SentAction] = []
    for record in recent.read(recent.entries("action")):
        if isinstance(record, AlertRecord):
            channel, violations = record.evidence.channel, record.evidence.violations
        elif isinstance(record, RetrainRecord):
            channel = violations = ""
        else:
            continue
        about = record.inputs.verdict
        found.append(SentAction(trace=Trace.of(record), channel=channel, about=about, violations=violations))
    return found
