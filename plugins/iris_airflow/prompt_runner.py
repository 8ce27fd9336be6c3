"""Airflow's runner of triggers, with an additional task that hands over watchers' events at once.

A watcher (`BaseEventTrigger`) belongs to no task. The event of a task's trigger still waits for Airflow's
round: after the hand-over Airflow cancels the trigger, and would treat one that is still ending as ended by a
user, which calls `on_kill`.

In every answer Airflow's supervisor repeats which triggers to cancel, until it learns that they have ended.
More hand-overs mean more answers, which would cancel a trigger again during its `on_kill`. So a trigger is
cancelled once. From Airflow 3.4 on the supervisor repeats likewise which triggers to release, because another
triggerer runs them now.
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
ENDINGS = ("to_cancel", "to_release")
"""The runner's queues of triggers that must end; Airflow 3.3 has the first only."""
CANCELLED_AGAIN_AFTER_S = 2.0 * conf.getint("triggerer", "on_kill_timeout", fallback=30)
"""A trigger that still runs after so many seconds swallowed its cancellation: Airflow cancels it again."""


class Outbox(deque[TriggerEventEntry]):
    """The runner's queue of events; each appended event sets `filled`."""

    def __init__(self, events: deque[TriggerEventEntry]) -> None:
        super().__init__(events)
        self.filled = asyncio.Event()
        if events:
            self.filled.set()

    def append(self, event: TriggerEventEntry, /) -> None:
        super().append(event)
        self.filled.set()


class PromptTriggerRunner(triggerer_job_runner.TriggerRunner):
    """Hands watchers' events over at most ten times a second; otherwise works as Airflow's runner."""

    async def init_comms(self) -> None:
        """Do what Airflow's does, first in its event loop, and start the task that hands events over."""
        await super().init_comms()  # type: ignore[no-untyped-call]
        outbox = Outbox(self.events)
        self.events = outbox
        self._under_way: list[TriggerEventEntry] = []
        self._cancelled: WeakKeyDictionary[asyncio.Task[Any], float] = WeakKeyDictionary()
        self._handing_over = asyncio.create_task(self._hand_over(outbox), name="iris-hand-over")

    async def _hand_over(self, outbox: Outbox) -> None:
        """Hand events over for ever; after a failure put them back for Airflow's round, and end."""
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
        """Return Airflow's message; in a hand-over only the watchers' events."""
        if asyncio.current_task() is not self._handing_over:
            return super().process_trigger_events(finished_ids)
        queued = list(self.events)
        self._under_way = [entry for entry in queued if self._is_watchers(entry)]
        self.events.clear()
        self.events.extend(entry for entry in queued if not self._is_watchers(entry))
        return messages.TriggerStateChanges(events=self._under_way)

    async def sync_state_to_supervisor(self, finished_ids: list[int]) -> None:
        """Do what Airflow's does; raise the error of a failed hand-over, as if this round had failed."""
        await super().sync_state_to_supervisor(finished_ids)
        self._forget_repeats()
        if self._handing_over.done():
            self._handing_over.result()

    def _forget_repeats(self) -> None:
        for queue in (getattr(self, name) for name in ENDINGS if hasattr(self, name)):
            owed = [trigger_id for trigger_id in dict.fromkeys(queue) if not self._is_ending(trigger_id)]
            queue.clear()
            queue.extend(owed)

    def _is_ending(self, trigger_id: int) -> bool:
        running = self.triggers.get(trigger_id)
        if running is None or not running["task"].cancelling():
            return False
        now = time.monotonic()
        return now - self._cancelled.setdefault(running["task"], now) < CANCELLED_AGAIN_AFTER_S
