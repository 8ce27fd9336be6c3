"""Delivers messages to people: computes from the ledger which are owed, and records each delivery.

An alert is owed for every verdict that alerts (`verdicts.with_debounce`), on every configured channel, until
the ledger holds an `action` record of it. The record is written after the delivery: if a channel fails, it is
tried again. If a task is killed between delivery and record, the same alert is delivered twice, with the same
`id`. So delivery is at least once; a receiver that must not see a message twice remembers ids. In the
opposite order a crash would lose the alert.

Each look begins at the hour up to which everything was delivered on the channel (`ledger.settled`), however
many verdicts were recorded since. A verdict from before that hour is owed, too, when a later record makes it
alert. Requests to answer for a model are delivered in the same way.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from iris_core.drift.debounce import Debounced
from iris_core.drift.thresholds import rank
from iris_core.errors import AlertUndelivered, NothingOwed
from iris_core.ledger import Identity, Ledger, Record, Variant
from iris_core.ledger.records.action import AlertRecord
from iris_core.ledger.records.drift import DriftRecord
from iris_core.ledger.requests import open_requests
from iris_core.ledger.settled import Settled
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import verdicts
from iris_core.monitoring.isolated import may_alert
from iris_core.monitoring.messages import Message, alert_of, request_of, violations_of

log = logging.getLogger(__name__)

FIRST_LOOK = timedelta(days=1)
"""The first look on a channel goes back so far: switching a channel on does not send the past."""

HORIZON = timedelta(days=7)
"""Older messages that are still undelivered are given up, also on a channel that was off in between."""

LATE = timedelta(hours=1)
"""A look may first see a record that is so much older: clocks differ, and writes take time."""

MOST_ALONE = 10
"""If a look finds more alerts about one model, it sends one message for all of them."""

Deliver = Callable[[Message], None]


class OwedAlert(NamedTuple):
    """A message, and the records it is about, each with a reason; the last one gives the message its id."""

    message: Message
    about: Sequence[tuple[Identity, str]]


def deliver_owed(workspace: Workspace, channels: Mapping[str, Deliver]) -> list[dict[str, Any]]:
    """Deliver every message that is owed; one that fails stops neither other channels nor other messages.

    :param channels: a function for each channel's name, which delivers a message.
    :returns: id, channel and title of each delivered message, and the path of the (last) record it is about.
    :raises NothingOwed: no channel is configured, or everything has been delivered.
    :raises AlertUndelivered: some could not be delivered; trying again delivers only those.
    """
    if not channels:
        raise NothingOwed(
            "No alert channel is configured: see DRIFT_ALERT_WEBHOOK, DRIFT_ALERT_SLACK, DRIFT_ALERT_EMAIL."
        )
    now = datetime.now(UTC)
    since = {channel: told_until(workspace, f"alerts-{channel}", now) for channel in channels}
    records = _looked_at(workspace, min(since.values()))
    told = Deliveries(workspace.ledger)
    sent = Sent(workspace)
    for channel, deliver in channels.items():
        missed = len(sent.failed)
        owed = [one for one in _alerting(workspace, records, since[channel]) if not told.on(channel, one[0])]
        sent.deliver(channel, deliver, _messages(workspace, owed))
        sent.deliver(channel, deliver, _requests(workspace, told, channel))
        if len(sent.failed) == missed:
            mark_told(workspace, f"alerts-{channel}", since[channel], now)
    return sent.result()


def deliver_requests(workspace: Workspace, channels: Mapping[str, Deliver]) -> None:
    """Deliver the open requests for a human's answer, on every channel where they are not delivered yet.

    :raises AlertUndelivered: some could not be delivered; trying again delivers only those.
    """
    told, sent = Deliveries(workspace.ledger), Sent(workspace)
    for channel, deliver in channels.items():
        sent.deliver(channel, deliver, _requests(workspace, told, channel))
    with suppress(NothingOwed):
        sent.result()


def _requests(workspace: Workspace, told: Deliveries, channel: str) -> Iterator[OwedAlert]:
    if workspace.settings.may_ask_a_human:
        for request in open_requests(workspace.ledger):
            if not told.on(channel, request):
                message = request_of(workspace.settings, request)
                yield OwedAlert(message, [(request.identity, "a human is asked")])


def told_until(workspace: Workspace, mark: str, now: datetime) -> datetime:
    """The time up to which everything was delivered on a channel, or is not delivered any more.

    :param mark: the mark that `mark_told` sets.
    :param now: the time of this look.
    """
    marked = Settled.of(workspace, mark).until(now)
    return max(marked, now - HORIZON) if marked else now - FIRST_LOOK


def mark_told(workspace: Workspace, mark: str, since: datetime, now: datetime) -> None:
    """Mark that a look delivered everything on a channel.

    :param mark: the mark.
    :param since: where the look began.
    :param now: the time of the look.
    """
    if now - LATE >= since + timedelta(hours=1):
        Settled.of(workspace, mark).advance(now - LATE)


def _looked_at(workspace: Workspace, since: datetime) -> list[DriftRecord]:
    """Verdicts that may newly alert because of records since this time; only of series with such drift."""
    violating = verdicts.violating(workspace.settings)
    entries = workspace.ledger.journal("drift", since=since)
    asked = {entry.identity for entry in entries if entry.outcome in violating}
    asked = may_alert(workspace.settings, workspace.ledger, asked)
    return verdicts.near(workspace.settings, workspace.ledger, asked)


def _alerting(
    workspace: Workspace, records: Sequence[DriftRecord], since: datetime
) -> list[tuple[DriftRecord, Debounced]]:
    """Verdicts that alert by all records, but did not by the records before this time; oldest first."""
    settings = workspace.settings
    earlier = verdicts.with_debounce(settings, (record for record in records if record.at < since))
    alerted = {record.identity for record, state in earlier if state.alert}
    found = verdicts.with_debounce(settings, records)
    return [(record, state) for record, state in found if state.alert and record.identity not in alerted]


def _messages(workspace: Workspace, owed: Iterable[tuple[DriftRecord, Debounced]]) -> Iterator[OwedAlert]:
    """A message for each verdict; for more than `MOST_ALONE` on one model a single one, about the worst."""
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
    """Knows which messages have been delivered; lists each day of the ledger once."""

    ledger: Ledger
    _days: dict[date, dict[str, tuple[Variant, ...]]] = field(default_factory=dict)

    def on(self, channel: str, record: Record) -> bool:
        """Whether the message about a record has been delivered on a channel."""
        return self.has(Identity.of_alert(record.identity, channel))

    def has(self, action: Identity) -> bool:
        """Whether an action is recorded."""
        if action.day not in self._days:
            self._days[action.day] = self.ledger.decided_on("action", action.day)
        return action.variant in self._days[action.day].get(action.subject, ())


@dataclass
class Sent:
    """The delivered and the failed messages of one look.

    :param workspace: where the deliveries are recorded.
    """

    workspace: Workspace
    delivered: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def deliver(self, channel: str, deliver: Deliver, owed: Iterable[OwedAlert]) -> None:
        """Deliver and record each message; a failure does not stop the others.

        :param channel: the channel's name.
        :param deliver: delivers a message on it.
        :param owed: the messages.
        """
        for message, about in owed:
            if failure := _failure(channel, deliver, message):
                log.warning("Message %s is not delivered: %s", message.id, failure)
                self.failed.append(failure)
                continue
            for identity, why in about:
                _record(self.workspace, identity, why, message, channel)
            told = {"id": message.id, "channel": channel, "title": message.title}
            self.delivered.append({**told, "about": about[-1][0].path})

    def result(self) -> list[dict[str, Any]]:
        """The delivered messages.

        :raises AlertUndelivered: some messages could not be delivered.
        :raises NothingOwed: there was nothing to deliver.
        """
        if self.failed:
            raise AlertUndelivered("; ".join(dict.fromkeys(self.failed)))
        if not self.delivered:
            raise NothingOwed("No alert is owed.")
        return self.delivered


def _failure(channel: str, deliver: Deliver, message: Message) -> str:
    """Deliver a message; return the reason of a failure, or an empty text."""
    try:
        deliver(message)
    except AlertUndelivered as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - raised by `result`, once the others are delivered
        # The error's own text may hold the channel's address, which is a secret.
        return f"Channel {channel} failed with {type(error).__name__}."
    return ""


def _record(workspace: Workspace, about: Identity, why: str, message: Message, channel: str) -> None:
    """Record that a message was delivered.

    :param about: the record that the message is about.
    :param why: the reason why that record is worth a message.
    :param message: the message.
    :param channel: the channel that delivered it.
    """
    record = AlertRecord(
        identity=Identity.of_alert(about, channel),
        by=workspace.actor,
        reason=message.title,
        inputs=AlertRecord.Inputs(verdict=about.path),
        evidence=AlertRecord.Evidence(channel=channel, alert=message.id, violations=why),
    )
    workspace.ledger.commit(record)
