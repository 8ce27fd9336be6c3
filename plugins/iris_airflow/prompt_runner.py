"""Airflow's runner of triggers, with a task beside its round that hands over at once what watchers announce.

A watcher (`BaseEventTrigger`) belongs to no task. A task's trigger waits for Airflow's round, as ever: once
its event is handed over Airflow cancels it, and would take one that is still ending itself for one that a
user ended, `on_kill` and all.

Airflow's supervisor repeats in every answer what is to be cancelled, until it is told that it has ended. More
answers would cancel a trigger again in the midst of its `on_kill`, so a trigger is cancelled once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any
from weakref import WeakKeyDictionary

from airflow.configuration import conf
from airflow.jobs import triggerer_job_runner
from airflow.jobs.triggerer_job_runner import TriggerEventEntry, messages

PAUSE_S = 0.1
CANCELLED_AGAIN_AFTER_S = 2.0 * conf.getint("triggerer", "on_kill_timeout", fallback=30)
"""A trigger that still runs so long after it was cancelled swallowed that: Airflow cancels it again."""


class Outbox(deque[TriggerEventEntry]):
    """The runner's queue of events; `filled` is set with each of them."""

    def __init__(self, events: deque[TriggerEventEntry]) -> None:
        super().__init__(events)
        self.filled = asyncio.Event()
        if events:
            self.filled.set()

    def append(self, event: TriggerEventEntry, /) -> None:
        super().append(event)
        self.filled.set()


class PromptTriggerRunner(triggerer_job_runner.TriggerRunner):
    """Hands events over at most ten times a second; everything else is Airflow's."""

    async def init_comms(self) -> None:
        """Airflow's, the first that its event loop does, and what handing over needs."""
        await super().init_comms()  # type: ignore[no-untyped-call]
        outbox = Outbox(self.events)
        self.events = outbox
        self._under_way: list[TriggerEventEntry] = []
        self._cancelled: WeakKeyDictionary[asyncio.Task[Any], float] = WeakKeyDictionary()
        self._handing_over = asyncio.create_task(self._hand_over(outbox), name="iris-hand-over")

    async def _hand_over(self, outbox: Outbox) -> None:
        """Hand over for ever; a hand-over that fails puts its events back for Airflow's round, and ends."""
        while not self.stop:
            await outbox.filled.wait()
            outbox.filled.clear()
            if any(self._is_watchers(entry) for entry in outbox):
                try:
                    await self.sync_state_to_supervisor([])
                except BaseException:
                    outbox.extendleft(reversed(self._under_way))
                    raise
            await asyncio.sleep(PAUSE_S)

    def _is_watchers(self, entry: TriggerEventEntry) -> bool:
        running = self.triggers.get(entry.trigger_id)
        return running is not None and running["is_watcher"]

    def process_trigger_events(self, finished_ids: list[int]) -> messages.TriggerStateChanges:
        """Airflow's message; at a hand-over the watchers' events, and nothing else."""
        if asyncio.current_task() is not self._handing_over:
            return super().process_trigger_events(finished_ids)
        queued = list(self.events)
        self._under_way = [entry for entry in queued if self._is_watchers(entry)]
        self.events.clear()
        self.events.extend(entry for entry in queued if not self._is_watchers(entry))
        return messages.TriggerStateChanges(events=self._under_way)

    async def sync_state_to_supervisor(self, finished_ids: list[int]) -> None:
        """Airflow's; the round after a hand-over that failed ends as a round that fails itself."""
        await super().sync_state_to_supervisor(finished_ids)
        self._forget_repeats()
        if self._handing_over.done():
            self._handing_over.result()

    def _forget_repeats(self) -> None:
        owed = [trigger_id for trigger_id in dict.fromkeys(self.to_cancel) if not self._is_ending(trigger_id)]
        self.to_cancel.clear()
        self.to_cancel.extend(owed)

    def _is_ending(self, trigger_id: int) -> bool:
        running = self.triggers.get(trigger_id)
        if running is None or not running["task"].cancelling():
            return False
        now = time.monotonic()
        return now - self._cancelled.setdefault(running["task"], now) < CANCELLED_AGAIN_AFTER_S
