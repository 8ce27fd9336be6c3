"""A triggerer that hands over what its triggers found as they find it, not once a second.

Airflow's triggerer runs its triggers in a process of their own, which passes their events on once a second: a
constant. What a watcher announces waits for that, half a second on average, longer than for everything else
between a PUT and the run that it starts. `airflow_local_settings.py` of a triggerer calls `install`.

Nothing but the moment changes: the events, the message and its way are Airflow's, whose own round goes on. A
burst is handed over at most ten times a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any

from airflow.jobs import triggerer_job_runner

log = logging.getLogger(__name__)

PAUSE_S = 0.1


class Outbox(deque[Any]):
    """The runner's queue of events; `filled` is set with each of them."""

    def __init__(self, events: deque[Any]) -> None:
        super().__init__(events)
        self.filled = asyncio.Event()
        if events:
            self.filled.set()

    def append(self, event: Any, /) -> None:
        super().append(event)
        self.filled.set()


class PromptTriggerRunner(triggerer_job_runner.TriggerRunner):
    """Airflow's runner of triggers, with a task beside its round that waits for events."""

    async def init_comms(self) -> None:
        """Airflow's; the first that its event loop does, and what handing over needs."""
        await super().init_comms()  # type: ignore[no-untyped-call]
        outbox = Outbox(self.events)
        self.events = outbox
        self._handing_over = asyncio.create_task(self._hand_over(outbox), name="iris-hand-over")

    async def _hand_over(self, outbox: Outbox) -> None:
        while not self.stop:
            await outbox.filled.wait()
            outbox.filled.clear()
            await self.sync_state_to_supervisor([])
            await asyncio.sleep(PAUSE_S)


def install() -> None:
    """Let this process's triggerer run `PromptTriggerRunner`; Airflow takes the class from its module."""
    triggerer_job_runner.TriggerRunner = PromptTriggerRunner  # type: ignore[misc]
