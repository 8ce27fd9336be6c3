"""A triggerer without a database: Airflow's own supervisor and runner, told what to run.

The supervisor is Airflow's, with its process, its sockets and its answers; only what it reads from the
metadata database, as Airflow allows to a supervisor without a job, comes from the test.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL
from typing import Any, TypeVar

from airflow.executors.workloads.trigger import RunTrigger
from airflow.jobs.triggerer_job_runner import TriggerRunnerSupervisor
from airflow.models.trigger import Trigger
from airflow.triggers.base import BaseEventTrigger, BaseTrigger, TriggerEvent


class Noting:
    """What a trigger of a test notes, a line each, for the test to read in another process."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def note(self, what: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{what}\n")


class PollingTrigger(BaseTrigger):
    """Waits for a remote job for ever, and ends it in `on_kill`, which takes a while.

    :param notes: the file that it notes in.
    :param kill_s: how long ending the job takes.
    :param cleanup_s: how long its cleanup takes; with 0 it says nothing of it.
    :param fires_s: after so long it finds the job done, and takes `tail_s` more to end itself.
    :param deaf_to: so many cancellations are swallowed before one is heeded.
    """

    def __init__(
        self,
        notes: str,
        kill_s: float = 0.0,
        fires_s: float = 3600.0,
        tail_s: float = 0.0,
        deaf_to: int = 0,
        cleanup_s: float = 0.0,
    ) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {
            "notes": notes,
            "kill_s": kill_s,
            "fires_s": fires_s,
            "tail_s": tail_s,
            "deaf_to": deaf_to,
            "cleanup_s": cleanup_s,
        }

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", self.arguments

    @property
    def noting(self) -> Noting:
        return Noting(self.arguments["notes"])

    async def run(self) -> AsyncIterator[TriggerEvent]:
        self.noting.note("runs")
        left = self.arguments["deaf_to"]
        while True:
            try:
                await asyncio.sleep(self.arguments["fires_s"])
                break
            except asyncio.CancelledError:
                self.noting.note("cancelled")
                if not left:
                    raise
                left -= 1
        yield TriggerEvent({"job": "done"})
        await asyncio.sleep(self.arguments["tail_s"])
        self.noting.note("ended by itself")

    async def on_kill(self) -> None:
        self.noting.note("on_kill begins")
        await asyncio.sleep(self.arguments["kill_s"])
        self.noting.note("on_kill ends")

    async def cleanup(self) -> None:
        if self.arguments["cleanup_s"]:
            self.noting.note("cleanup begins")
            await asyncio.sleep(self.arguments["cleanup_s"])
            self.noting.note("cleanup ends")


class CountingWatcher(BaseEventTrigger):
    """Announces a number whenever the file `go` has grown."""

    def __init__(self, go: str) -> None:
        super().__init__()
        self.go = go

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {"go": self.go}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        path, told = Path(self.go), 0
        while True:
            size = path.stat().st_size if path.exists() else 0
            while told < size:
                told += 1
                yield TriggerEvent({"number": told, "at": time.monotonic()})
            await asyncio.sleep(0.01)


class Supervisor(TriggerRunnerSupervisor):
    """Airflow's; `wanted` is what the database would say is to run, `got` the events that it would store.

    `moved` is what another triggerer runs now: Airflow 3.4 asks for that.
    """

    wanted: dict[int, RunTrigger]
    moved: dict[int, int]
    got: list[tuple[int, Any, float]]
    failed: list[int]

    def want(self, trigger_id: int, trigger: BaseTrigger) -> None:
        classpath, arguments = trigger.serialize()
        kwargs = Trigger.encrypt_kwargs(arguments)
        self.wanted[trigger_id] = RunTrigger(
            id=trigger_id, ti=None, classpath=classpath, encrypted_kwargs=kwargs
        )

    def load_triggers(self) -> None:
        self.update_triggers(set(self.wanted))

    def build_trigger_workloads(self, new_trigger_ids: set[int]) -> list[RunTrigger]:
        return [self.wanted[trigger_id] for trigger_id in sorted(new_trigger_ids)]

    def fetch_trigger_assignments(self, trigger_ids: set[int]) -> dict[int, int]:
        return {trigger_id: self.moved[trigger_id] for trigger_id in trigger_ids & self.moved.keys()}

    def on_trigger_event(self, trigger_id: int, event: TriggerEvent) -> None:
        self.got.append((trigger_id, event.payload, time.monotonic()))

    def on_trigger_failure(self, trigger_id: int, exc: list[str] | None) -> None:
        self.failed.append(trigger_id)

    def clean_unused(self) -> None:
        """A task's trigger that has fired is needed no more; a watcher's goes on."""
        for trigger_id, payload, _ in self.got:
            if "job" in payload:
                self.wanted.pop(trigger_id, None)

    def heartbeat(self) -> None:
        """Nobody is told."""

    def emit_metrics(self) -> None:
        """Nobody is told."""

    def until(self, reached: Callable[[], bool], within_s: float = 30.0) -> None:
        """Do as its loop does until something is reached."""
        end = time.monotonic() + within_s
        while not reached():
            assert self.is_alive(), "the runner has died"
            time.sleep(0.02)  # else each line of a runner's log is a loop of its own
            assert time.monotonic() < end, f"not reached in {within_s} s; {self.got=} {self.failed=}"
            self.run_once()

    def until_dead(self, within_s: float = 30.0) -> None:
        """Serve the runner's process until it has ended."""
        end = time.monotonic() + within_s
        while self.is_alive():
            assert time.monotonic() < end, f"the runner did not end in {within_s} s"
            self.load_triggers()
            self._service_subprocess(0.1)


Kind = TypeVar("Kind", bound=Supervisor)


@contextmanager
def supervised(kind: type[Kind]) -> Iterator[Kind]:
    """A supervisor whose runner, a process of its own, is up; ended with it."""
    supervisor = kind.start(capacity=100)
    supervisor.wanted, supervisor.moved, supervisor.got, supervisor.failed = {}, {}, [], []
    try:
        yield supervisor
    finally:
        with suppress(ProcessLookupError):
            os.kill(supervisor.pid, SIGKILL)
        supervisor.until_dead()
