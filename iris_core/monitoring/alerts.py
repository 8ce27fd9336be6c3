"""Messages to people: what is owed is computed from the ledger, each is recorded once it is delivered.

An alert is owed for every alerting verdict (`verdicts.with_debounce`), on every configured channel, until the
ledger holds an `action` record of it. The record is written after the delivery: a channel that fails is tried
again, and a task that is killed between delivery and record delivers the same alert, with the same `id`, a
second time. So: at least once, recorded once; a receiver that must not see anything twice remembers ids. The
other way round, a crash would lose the alert.

A look goes back to the hour before which everything was told on the channel (`ledger.settled`), however many
verdicts have come since. A verdict from before that hour is owed as well when one that came late makes it
alert. A model that waits for a human's answer is told of in the same way.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from iris_core import promotion
from iris_core.drift.debounce import Debounced
from iris_core.drift.thresholds import rank
from iris_core.errors import AlertUndelivered, NothingOwed
from iris_core.ledger import Identity, Ledger, Record, Variant
from iris_core.ledger.records.action import AlertRecord
from iris_core.ledger.records.drift import DriftRecord
from iris_core.ledger.settled import Settled
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import verdicts
from iris_core.monitoring.messages import Message, alert_of, request_of, violations_of

log = logging.getLogger(__name__)

FIRST_LOOK = timedelta(days=1)
"""So far back goes the first look on a channel: switching it on does not send the past."""

HORIZON = timedelta(days=7)
"""What could not be delivered for so long is given up; so does a channel that was off and is on again."""

LATE = timedelta(hours=1)
"""A record may be so much older than the look that sees it first: clocks differ, writes take time."""

MOST_ALONE = 10
"""Of more alerts about one model in one look, one message tells."""

Deliver = Callable[[Message], None]


class OwedAlert(NamedTuple):
    """A message, and the records that it is about, each with why; the one it is named after comes last."""

    message: Message
    about: Sequence[tuple[Identity, str]]


def deliver_owed(workspace: Workspace, channels: Mapping[str, Deliver]) -> list[dict[str, Any]]:
    """Deliver every message that is owed; one that fails holds neither other channels nor other messages.

    :raises NothingOwed: no channel is configured, or everything has been delivered.
    :raises AlertUndelivered: some could not be delivered; trying again delivers only those.
    """
    if not channels:
        raise NothingOwed(
            "No alert channel is configured: see DRIFT_ALERT_WEBHOOK, DRIFT_ALERT_SLACK, DRIFT_ALERT_EMAIL."
        )
    now = datetime.now(UTC)
    since = {channel: _told_until(workspace, channel, now) for channel in channels}
    records = _looked_at(workspace, min(since.values()))
    told = Deliveries(workspace.ledger)
    sent = _Sent(workspace)
    for channel, deliver in channels.items():
        missed = len(sent.failed)
        owed = [one for one in _alerting(workspace, records, since[channel]) if not told.on(channel, one[0])]
        sent.deliver(channel, deliver, _messages(workspace, owed))
        sent.deliver(channel, deliver, _requests(workspace, told, channel))
        if len(sent.failed) == missed:
            _settle(workspace, channel, since[channel], now)
    return sent.result()


def deliver_requests(workspace: Workspace, channels: Mapping[str, Deliver]) -> None:
    """Tell of the models that wait for a human's answer, on every channel that has not yet.

    :raises AlertUndelivered: some could not be told; trying again tells only those.
    """
    told, sent = Deliveries(workspace.ledger), _Sent(workspace)
    for channel, deliver in channels.items():
        sent.deliver(channel, deliver, _requests(workspace, told, channel))
    with suppress(NothingOwed):
        sent.result()


def _requests(workspace: Workspace, told: Deliveries, channel: str) -> Iterator[OwedAlert]:
    if workspace.settings.may_ask_a_human:
        for request in promotion.open_requests(workspace.ledger):
            if not told.on(channel, request):
                message = request_of(workspace.settings, request)
                yield OwedAlert(message, [(request.identity, "a human is asked")])


def _told_until(workspace: Workspace, channel: str, now: datetime) -> datetime:
    marked = Settled.of(workspace, f"alerts-{channel}").until(now)
    return max(marked, now - HORIZON) if marked else now - FIRST_LOOK


def _settle(workspace: Workspace, channel: str, since: datetime, now: datetime) -> None:
    if now - LATE >= since + timedelta(hours=1):
        Settled.of(workspace, f"alerts-{channel}").advance(now - LATE)


def _looked_at(workspace: Workspace, since: datetime) -> list[DriftRecord]:
    """The verdicts that may alert by what was recorded since; none of a series in which nothing drifts."""
    violating = verdicts.violating(workspace.settings)
    entries = workspace.ledger.journal("drift", since=since)
    asked = {entry.identity for entry in entries if entry.outcome in violating}
    return verdicts.near(workspace.ledger, asked) if asked else []


def _alerting(
    workspace: Workspace, records: Sequence[DriftRecord], since: datetime
) -> list[tuple[DriftRecord, Debounced]]:
    """The verdicts that alert by all records and did not by those from before, oldest first."""
    settings = workspace.settings
    earlier = verdicts.with_debounce(settings, (record for record in records if record.at < since))
    alerted = {record.identity for record, state in earlier if state.alert}
    found = verdicts.with_debounce(settings, records)
    return [(record, state) for record, state in found if state.alert and record.identity not in alerted]


def _messages(workspace: Workspace, owed: Iterable[tuple[DriftRecord, Debounced]]) -> Iterator[OwedAlert]:
    """One for each verdict; of many about one model one, named after the worst of the newest."""
    models: dict[str, list[tuple[DriftRecord, Debounced]]] = defaultdict(list)
    for one in owed:
        models[one[0].identity.model_variant].append(one)
    for mine in models.values():
        groups = [mine] if len(mine) > MOST_ALONE else [[one] for one in mine]
        for group in groups:
            ordered = sorted(group, key=lambda one: rank(one[0].outcome))
            alert = alert_of(workspace.settings, *ordered[-1], more=len(group) - 1)
            yield OwedAlert(alert, [(record.identity, violations_of(state)) for record, state in ordered])


@dataclass
class Deliveries:
    """What has been delivered, by listings of the days asked about."""

    ledger: Ledger
    _days: dict[date, dict[str, tuple[Variant, ...]]] = field(default_factory=dict)

    def on(self, channel: str, record: Record) -> bool:
        """Whether a record was told of on a channel."""
        alert = Identity.of_alert(record.identity, channel)
        if alert.day not in self._days:
            self._days[alert.day] = self.ledger.decided_on("action", alert.day)
        return alert.variant in self._days[alert.day].get(alert.subject, ())


@dataclass
class _Sent:
    """What became of the messages of one look."""

    workspace: Workspace
    delivered: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def deliver(self, channel: str, deliver: Deliver, owed: Iterable[OwedAlert]) -> None:
        """Deliver and record each, whatever becomes of the others."""
        for message, about in owed:
            if failure := _failure(channel, deliver, message):
                log.warning("Message %s is not delivered: %s", message.id, failure)
                self.failed.append(failure)
                continue
            for identity, why in about:
                _record(self.workspace, identity, why, message, channel)
            self.delivered.append({"id": message.id, "channel": channel, "title": message.title})

    def result(self) -> list[dict[str, Any]]:
        """What was delivered.

        :raises AlertUndelivered: not everything was.
        :raises NothingOwed: there was nothing to deliver.
        """
        if self.failed:
            raise AlertUndelivered("; ".join(dict.fromkeys(self.failed)))
        if not self.delivered:
            raise NothingOwed("No alert is owed.")
        return self.delivered


def _failure(channel: str, deliver: Deliver, message: Message) -> str:
    """Deliver a message; returns why that failed, empty when it did not."""
    try:
        deliver(message)
    except AlertUndelivered as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - raised by `result`, once the others are delivered
        # Its own text may hold the address, which is a secret.
        return f"Channel {channel} failed with {type(error).__name__}."
    return ""


def _record(workspace: Workspace, about: Identity, why: str, message: Message, channel: str) -> None:
    """Record a delivery.

    :param about: the record that was told of.
    :param why: that it was.
    """
    record = AlertRecord(
        identity=Identity.of_alert(about, channel),
        by=workspace.actor,
        reason=message.title,
        inputs=AlertRecord.Inputs(verdict=about.path),
        evidence=AlertRecord.Evidence(channel=channel, alert=message.id, violations=why),
    )
    workspace.ledger.commit(record)
