"""The triggerer's events are handed over as they come: Airflow's own round is not run here at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.jobs import triggerer_job_runner
from airflow.jobs.triggerer_job_runner import TriggerEventEntry, TriggerRunner, messages
from airflow.triggers.base import TriggerEvent

from iris_airflow import handover
from iris_airflow.handover import PromptTriggerRunner

pytestmark = pytest.mark.unit


class Supervisor:
    """What Airflow's runner talks to, and what it was told."""

    def __init__(self) -> None:
        self.heard: list[list[int]] = []
        self.again = asyncio.Event()

    async def asend(self, message: messages.TriggerStateChanges) -> messages.TriggerStateSync:
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
    async def connected(self: TriggerRunner) -> None:
        self.comms_decoder = Supervisor()

    monkeypatch.setattr(TriggerRunner, "init_comms", connected)
    runner: Any = PromptTriggerRunner()
    yield runner
    runner._handing_over.cancel()
    await asyncio.gather(runner._handing_over, return_exceptions=True)


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
    assert set(runner.to_cancel) == {9}


async def test_a_burst_goes_together(runner: Any) -> None:
    for trigger_id in range(200):
        runner.events.append(found(trigger_id))
    await runner.comms_decoder.hears(1)
    assert runner.comms_decoder.heard == [list(range(200))]


async def test_what_came_before_it_was_connected_is_not_forgotten(unconnected: Any) -> None:
    unconnected.events.append(found(1))
    await unconnected.init_comms()
    await unconnected.comms_decoder.hears(1)
    assert unconnected.comms_decoder.heard == [[1]]


def test_the_triggerer_runs_it_once_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[type] = []
    monkeypatch.setattr(TriggerRunner, "run", lambda self: ran.append(type(self)))
    monkeypatch.setattr(triggerer_job_runner, "TriggerRunner", TriggerRunner)
    triggerer_job_runner.TriggerRunnerSupervisor.run_in_process()
    handover.install()
    triggerer_job_runner.TriggerRunnerSupervisor.run_in_process()
    assert ran == [TriggerRunner, PromptTriggerRunner]
