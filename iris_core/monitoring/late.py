"""Records verdicts that are later than promised, once each, and tells people about them.

First a record says that a version is late: one conditional write, so of several looks one succeeds. Then the
message about it is owed on every channel, and delivered and recorded as alerts about drift are (`alerts`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from iris_core.errors import NothingOwed
from iris_core.ledger import Identity, Outcome
from iris_core.ledger.records.action import LateRecord
from iris_core.ledger.settled import Settled
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import promised
from iris_core.monitoring.alerts import (
    MOST_ALONE,
    Deliver,
    Deliveries,
    OwedAlert,
    Sent,
    mark_told,
    told_until,
)
from iris_core.monitoring.messages import overdue_of
from iris_core.monitoring.promised import LookedAt, Waiting

log = logging.getLogger(__name__)


def note_late(workspace: Workspace, now: datetime | None = None) -> LookedAt:
    """Look for versions without a verdict, and record those that are late, unless they are recorded.

    :param now: the time that it is about; default: now.
    :raises NothingOwed: nothing is promised: `VERDICT_WITHIN` is not set.
    """
    within, now = workspace.settings.verdict_within, now or datetime.now(UTC)
    if within is None:
        raise NothingOwed("No time is promised: see VERDICT_WITHIN.")
    seen = promised.look(workspace, within, now)
    noted = Deliveries(workspace.ledger)
    for one in seen.late(within, now):
        identity = Identity.of_lateness(one.object, one.reopened)
        if not noted.has(identity):
            _note(workspace, identity, one, within)
    Settled.of(workspace, promised.MARK).advance(seen.until)
    return seen


def _note(workspace: Workspace, identity: Identity, one: Waiting, within: timedelta) -> None:
    record = LateRecord(
        identity=identity,
        by=workspace.actor,
        reason=f"{one.object.uri} has no verdict, {one.missing} is missing",
        inputs=LateRecord.Inputs(object=one.object),
        evidence=LateRecord.Evidence(missing=one.missing, since=one.since, within_s=within.total_seconds()),
    )
    if workspace.ledger.commit(record).won:
        log.warning("Late: %s.", record.reason)


def tell_late(workspace: Workspace, channels: Mapping[str, Deliver]) -> list[dict[str, Any]]:
    """Deliver every message about a late verdict that is owed.

    :param channels: a function for each channel's name, which delivers a message.
    :returns: of each delivered message what `deliver_owed` returns.
    :raises NothingOwed: nothing is late, or everything has been delivered.
    :raises AlertUndelivered: some could not be delivered; trying again delivers only those.
    """
    now, told, sent = datetime.now(UTC), Deliveries(workspace.ledger), Sent(workspace)
    for channel, deliver in channels.items():
        mark, missed = f"late-{channel}", len(sent.failed)
        since = told_until(workspace, mark, now)
        owed = [record for record in _recorded(workspace, since) if not told.on(channel, record)]
        sent.deliver(channel, deliver, _messages(workspace, owed))
        if len(sent.failed) == missed:
            mark_told(workspace, mark, since, now)
    return sent.result()


def _recorded(workspace: Workspace, since: datetime) -> list[LateRecord]:
    """Records of late verdicts since a time, oldest first."""
    entries = workspace.ledger.journal("action", since=since)
    records = workspace.ledger.records(entry for entry in entries if entry.outcome == Outcome.LATE)
    return [record for record in records if isinstance(record, LateRecord)][::-1]


def _messages(workspace: Workspace, owed: Sequence[LateRecord]) -> Iterator[OwedAlert]:
    """A message for each record; for more than `MOST_ALONE` a single one, about what waits longest."""
    by_age = sorted(owed, key=lambda record: record.evidence.since, reverse=True)
    groups = [by_age] if len(by_age) > MOST_ALONE else [[record] for record in reversed(by_age)]
    for group in filter(None, groups):
        message = overdue_of(workspace.settings, group[-1], more=len(group) - 1)
        yield OwedAlert(message, [(record.identity, record.reason) for record in group])
