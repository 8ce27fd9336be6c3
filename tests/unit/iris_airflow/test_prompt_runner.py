"""What watchers announce is handed over as it comes: Airflow's own round is not run here at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.jobs.triggerer_job_runner import TriggerEventEntry, TriggerRunner, messages
from airflow.triggers.base import TriggerEvent

from iris_airflow.prompt_runner import PromptTriggerRunner

pytestmark = pytest.mark.unit

TASKS = 99


class Supervisor:
    """What Airflow's runner talks to, and what it was told; `broken` is what its next answer is."""

    def __init__(self) -> None:
        self.heard: list[list[int]] = []
        self.again = asyncio.Event()
        self.broken: Exception | None = None

    async def asend(self, message: messages.TriggerStateChanges) -> messages.TriggerStateSync:
        if broken := self.broken:
            self.broken = None
            raise broken
        self.heard.append([entry.trigger_id for entry in message.events or ()])
        self.again.set()
        return messages.TriggerStateSync(to_create=[], to_cancel={9})

    async def hears(self, times: int) -> None:
        async with asyncio.timeout(10):
            while len(self.heard) < times:
                self.again.clear()
                await self.again.wait()


def found(trigger_id: int) -> TriggerEventEntry:
    return TriggerEventEntry(trigger_id=trigger_id, event=TriggerEvent({"why": "test"}), persist_seq=None)


@pytest.fixture
async def unconnected(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A runner with 200 watchers and one task's trigger, none of which does anything."""

    async def connected(self: TriggerRunner) -> None:
        self.comms_decoder = Supervisor()  # type: ignore[assignment]

    monkeypatch.setattr(TriggerRunner, "init_comms", connected)
    runner: Any = PromptTriggerRunner()
    running = asyncio.create_task(asyncio.sleep(3600))
    runner.triggers = {number: {"task": running, "is_watcher": number != TASKS} for number in range(200)}
    yield runner
    for task in (runner._handing_over, running):
        task.cancel()
    await asyncio.gather(runner._handing_over, running, return_exceptions=True)


@pytest.fixture
async def runner(unconnected: Any) -> Any:
    await unconnected.init_comms()
    return unconnected


async def test_an_event_does_not_wait_for_the_round(runner: Any) -> None:
    runner.events.append(found(1))
    await runner.comms_decoder.hears(1)
    runner.events.append(found(2))
    await runner.comms_decoder.hears(2)
    assert runner.comms_decoder.heard == [[1], [2]]


async def test_each_event_is_handed_over_once_and_the_answer_is_kept(runner: Any) -> None:
    runner.events.append(found(1))
    await runner.comms_decoder.hears(1)
    await runner.sync_state_to_supervisor([])
    assert runner.comms_decoder.heard == [[1], []]
    assert list(runner.to_cancel) == [9]


async def test_a_burst_goes_together(runner: Any) -> None:
    watchers = [number for number in range(200) if number != TASKS]
    for trigger_id in watchers:
        runner.events.append(found(trigger_id))
    await runner.comms_decoder.hears(1)
    assert runner.comms_decoder.heard == [watchers]


@pytest.mark.parametrize("ended", [False, True])
async def test_only_a_running_watchers_events_are_in_a_hurry(runner: Any, ended: bool) -> None:
    if ended:
        del runner.triggers[TASKS]
    for trigger_id in (1, TASKS, 2):
        runner.events.append(found(trigger_id))
    await runner.comms_decoder.hears(1)
    assert runner.comms_decoder.heard == [[1, 2]]
    await runner.sync_state_to_supervisor([])
    assert runner.comms_decoder.heard == [[1, 2], [TASKS]]


async def test_a_tasks_event_alone_makes_no_hand_over(runner: Any) -> None:
    runner.events.append(found(TASKS))
    await asyncio.sleep(0)
    runner.events.append(found(1))
    await runner.comms_decoder.hears(1)
    assert runner.comms_decoder.heard == [[1]]


async def test_what_came_before_it_was_connected_is_not_forgotten(unconnected: Any) -> None:
    unconnected.events.append(found(1))
    await unconnected.init_comms()
    await unconnected.comms_decoder.hears(1)
    assert unconnected.comms_decoder.heard == [[1]]


async def test_a_hand_over_that_fails_puts_its_events_back_in_their_order(runner: Any) -> None:
    runner.comms_decoder.broken = OSError("connection lost")
    for trigger_id in (1, 2, 3):
        runner.events.append(found(trigger_id))
    await asyncio.wait([runner._handing_over], timeout=10)
    runner.events.append(found(4))
    with pytest.raises(OSError, match="connection lost"):
        await runner.sync_state_to_supervisor([])
    assert runner.comms_decoder.heard == [[1, 2, 3, 4]]


async def test_what_was_handed_over_before_is_not_put_back(runner: Any) -> None:
    runner.events.append(found(1))
    await runner.comms_decoder.hears(1)
    runner.comms_decoder.broken = OSError("connection lost")
    runner.events.append(found(2))
    await asyncio.wait([runner._handing_over], timeout=10)
    assert [entry.trigger_id for entry in runner.events] == [2]


async def test_an_event_that_cannot_be_sent_fails_its_trigger_as_airflow_does(runner: Any) -> None:
    runner.comms_decoder.broken = NotImplementedError("no serializer for a lock")
    bad = found(1)
    bad.event.payload = {"lock": asyncio.Lock()}
    runner.events.append(bad)
    runner.events.append(found(2))
    await runner.comms_decoder.hears(1)
    assert runner.comms_decoder.heard == [[2]]
    assert [trigger_id for trigger_id, _ in runner.failed_triggers] == [1]
    assert not runner._handing_over.done()
