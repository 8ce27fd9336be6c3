"""Which alerts are owed, and what becomes of them: a real ledger, channels that keep or refuse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from iris_core import monitoring
from iris_core.errors import AlertUndelivered, NothingOwed
from iris_core.ledger import Identity, Ledger
from iris_core.ledger.records.action import AlertRecord
from iris_core.ledger.records.drift import BatchDriftRecord, PerformanceDriftRecord, Undecided
from iris_core.ledger.settled import Settled
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import alerts
from tests.counting import CountingStore
from tests.drifting import MODEL, SENTENCE, Channel, landed, verdict

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def paths(records: Iterable[BatchDriftRecord]) -> list[str]:
    return [record.identity.path for record in records]


class TestDelivery:
    def test_one_alert_for_each_alerting_verdict_and_channel(self, workspace: Workspace) -> None:
        channels = {"a": Channel(), "b": Channel(failures=1)}
        verdict(workspace, 1)
        with pytest.raises(NothingOwed, match="No alert is owed"):
            alerts.deliver_owed(workspace, channels)
        verdict(workspace, 2)
        with pytest.raises(AlertUndelivered, match="503"):
            alerts.deliver_owed(workspace, channels)
        [delivered] = alerts.deliver_owed(workspace, channels)
        assert delivered["channel"] == "b"
        with pytest.raises(NothingOwed, match="No alert is owed"):
            alerts.deliver_owed(workspace, channels)
        [alert], [other] = (channel.got for channel in channels.values())
        assert alert == other
        assert (alert.severity, alert.sentence, alert.more) == ("high", SENTENCE, 0)
        assert alert.violations == "2 of the last 2 batches are medium or worse"
        records = list(workspace.ledger.recent_of(AlertRecord))
        assert {record.evidence.channel for record in records} == {"a", "b"}
        assert {record.evidence.alert for record in records} == {alert.id}

    def test_a_delivery_that_was_not_recorded_is_repeated_with_the_same_id(
        self, workspace: Workspace
    ) -> None:
        for number in (1, 2):
            verdict(workspace, number)
        killed, channel = Channel(), Channel()

        def deliver_and_die(alert: Any) -> None:
            killed(alert)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            alerts.deliver_owed(workspace, {"a": deliver_and_die})
        alerts.deliver_owed(workspace, {"a": channel})
        assert [alert.id for alert in killed.got] == [alert.id for alert in channel.got]

    def test_without_a_channel_nothing_is_recorded(self, workspace: Workspace) -> None:
        with pytest.raises(NothingOwed, match="DRIFT_ALERT_WEBHOOK"):
            alerts.deliver_owed(workspace, {})
        assert list(workspace.ledger.recent("action")) == []

    @pytest.mark.parametrize("error", [AlertUndelivered("no"), RuntimeError("https://a.secret/token")])
    def test_a_failure_holds_neither_other_channels_nor_other_alerts(
        self, workspace: Workspace, error: Exception
    ) -> None:
        """Whatever it is: also one that nobody foresaw, of which only the kind is told."""
        for number in (1, 2, 3):
            verdict(workspace, number)
        channels = {"a": Channel(failures=1, error=error), "b": Channel()}
        with pytest.raises(AlertUndelivered) as caught:
            alerts.deliver_owed(workspace, channels)
        assert "secret" not in str(caught.value)
        assert [len(channel.got) for channel in channels.values()] == [1, 2]
        alerts.deliver_owed(workspace, channels)
        assert sorted(channels["a"].told) == sorted(channels["b"].told)

    def test_labels_that_are_joined_again_alert_again(self, workspace: Workspace) -> None:
        labels, channel = Identity.of_object("performance", landed(workspace, 9), "c123"), Channel()
        verdict_on = Identity.of_performance(labels, MODEL)
        for number, identity in enumerate((verdict_on, verdict_on.again(1), verdict_on.again(2))):
            record = PerformanceDriftRecord(
                identity=identity,
                outcome="high",
                by=workspace.actor,
                inputs=PerformanceDriftRecord.Inputs(
                    performance=labels.path, current=landed(workspace, number), model=MODEL
                ),
                evidence=Undecided(),
            )
            workspace.ledger.commit(record)
            if number:
                alerts.deliver_owed(workspace, {"a": channel})
        assert channel.told == [verdict_on.again(1).path, verdict_on.again(2).path]


class TestManyBetweenTwoLooks:
    """Nothing that came later hides what is owed."""

    def test_three_hundred_sound_ones_after_it(self, workspace: Workspace) -> None:
        other, channel = MODEL.model_copy(update={"version": 4}), Channel()
        first = [verdict(workspace, number) for number in (1, 2)]
        for number in range(3, 303):
            verdict(workspace, number, "none", model=other if number % 2 else MODEL)
        alerts.deliver_owed(workspace, {"a": channel})
        assert channel.told == paths(first[1:])

    def test_a_burst_is_one_message_a_model_and_every_verdict_has_its_record(
        self, workspace: Workspace
    ) -> None:
        other, channel = MODEL.model_copy(update={"version": 4}), Channel()
        burst = [verdict(workspace, number, "medium") for number in range(299)]
        burst.append(verdict(workspace, 299, "high"))
        few = [verdict(workspace, number, model=other) for number in range(300, 303)]
        alerts.deliver_owed(workspace, {"a": channel})
        assert sorted(channel.told) == sorted(paths([burst[-1], *few[1:]]))
        [digest] = [alert for alert in channel.got if alert.more]
        assert (digest.verdict, digest.more) == (burst[-1].identity.path, 298)
        assert "298 more verdicts on this model alert" in digest.text
        told = {record.inputs.verdict for record in workspace.ledger.recent_of(AlertRecord)}
        assert told == set(paths([*burst[1:], *few[1:]]))
        with pytest.raises(NothingOwed):
            alerts.deliver_owed(workspace, {"a": channel})

    def test_the_verdict_task_knows_all_of_its_run(self, workspace: Workspace) -> None:
        made = [verdict(workspace, number, "high") for number in range(2)]
        made += [verdict(workspace, number, "low") for number in range(2, 250)]
        reports = [
            {"verdict": record.identity.path, "severity": record.outcome, "sentence": record.reason}
            for record in made
        ]
        told = monitoring.conclude(workspace, reports)
        assert (told["alert"], told["verdict"], told["reports"]) == (True, made[1].identity.path, 250)


class TestAsTimeGoesOn:
    def test_a_look_does_not_walk_through_what_is_settled(self, workspace: Workspace) -> None:
        """Two hours after an alert was told, nothing of it is read again."""
        for number in (1, 2, 3):
            verdict(workspace, number, age=timedelta(hours=3))
        alerts.deliver_owed(workspace, {"a": Channel()})
        store = CountingStore(workspace.store)
        looked = replace(workspace, store=store, ledger=Ledger(store, workspace.settings.bucket, "dev"))
        verdict(workspace, 4, "none")
        with pytest.raises(NothingOwed):
            alerts.deliver_owed(looked, {"a": Channel()})
        assert store.reads == []

    def test_what_nobody_could_be_told_is_owed_for_days(self, workspace: Workspace) -> None:
        dead, channel = Channel(failures=1), Channel()
        with pytest.raises(NothingOwed):
            alerts.deliver_owed(workspace, {"a": dead})
        self.mark(workspace, timedelta(days=6))
        owed = [verdict(workspace, number, age=timedelta(days=4)) for number in (1, 2)]
        with pytest.raises(AlertUndelivered):
            alerts.deliver_owed(workspace, {"a": dead})
        alerts.deliver_owed(workspace, {"a": channel})
        assert channel.told == paths(owed[1:])

    @staticmethod
    def mark(workspace: Workspace, age: timedelta) -> None:
        """As if the last look at which everything was told had been so long ago."""
        marks = Settled.of(workspace, "alerts-a")
        until = marks.until(datetime.now(UTC))
        assert until is not None
        workspace.store.erase(marks.bucket, f"{marks.folder}/{until:%Y-%m-%d/%H}")
        marks.advance(datetime.now(UTC) - age)

    def test_switching_a_channel_on_does_not_send_the_past(self, workspace: Workspace) -> None:
        for number in (1, 2):
            verdict(workspace, number, age=timedelta(hours=25))
        channel = Channel()
        with pytest.raises(NothingOwed):
            alerts.deliver_owed(workspace, {"b": channel})
        now = verdict(workspace, 3)
        alerts.deliver_owed(workspace, {"a": channel})
        assert channel.told == [now.identity.path]

    def test_a_verdict_from_before_alerts_by_one_that_comes_late(self, workspace: Workspace) -> None:
        later, channel = verdict(workspace, 2, age=timedelta(hours=5)), Channel()
        with pytest.raises(NothingOwed):
            alerts.deliver_owed(workspace, {"a": channel})
        verdict(workspace, 1)
        alerts.deliver_owed(workspace, {"a": channel})
        assert channel.told == [later.identity.path]

    def test_a_mark_from_a_clock_that_is_ahead_hides_nothing(self, workspace: Workspace) -> None:
        channel = Channel()
        Settled.of(workspace, "alerts-a").advance(datetime.now(UTC) + timedelta(days=2))
        owed = [verdict(workspace, number) for number in (1, 2)]
        alerts.deliver_owed(workspace, {"a": channel})
        assert channel.told == paths(owed[1:])
