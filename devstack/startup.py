"""Starts components at the same time, each as soon as those that it waits for are healthy."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from devstack import processes
from devstack.components import Component
from devstack.home import Home
from devstack.logs import telling_line
from devstack.state import ComponentState, StackState, save_state
from iris_core.errors import StackError

POLL_S = 0.2

Phase = Literal["starting", "healthy", "stopping", "stopped"]
Report = Callable[[str, Phase, float], None]
"""Called with a component's progress: its name, its phase, and the seconds since it began."""


def tell_nobody(_component: str, _phase: Phase, _seconds: float) -> None:
    """A report that shows nothing."""


@dataclass
class Startup:
    """One start of a stack. `state` is saved after each started process, so that none is lost in a crash.

    `environ` is each component's whole environment, without its marks.
    """

    home: Home
    state: StackState
    environ: Mapping[str, str]
    report: Report = tell_nobody

    def bring_up(self, components: Sequence[Component]) -> None:
        """Start the components that are not alive, and wait until all are healthy.

        :raises StackError: a component died or did not become healthy in time; the message quotes its log.
        """
        waiting = {component.name: component for component in components if component.needed}
        self._adopt(waiting)
        while waiting:
            for component in list(waiting.values()):
                if self._advance(component, blocked=bool(waiting.keys() & set(component.after))):
                    del waiting[component.name]
            time.sleep(POLL_S if waiting else 0)

    def _adopt(self, waiting: Mapping[str, Component]) -> None:
        """Forget components whose process is gone, and report those that live as starting."""
        alive = set(self.state.alive())
        for name in set(self.state.components) - alive:
            del self.state.components[name]
        save_state(self.home, self.state)
        for name in waiting:
            if name in alive:
                self.report(name, "starting", 0.0)

    def _advance(self, component: Component, blocked: bool) -> bool:
        """Take one step with a component; return whether it is healthy."""
        running = self.state.components.get(component.name)
        if not running:
            if not blocked:
                self._start(component)
            return False
        seconds = (datetime.now(UTC) - running.started_at).total_seconds()
        if not self._is_healthy(component, running):
            self._check_bound(component, seconds)
            return False
        if component.when_healthy:
            component.when_healthy()
        self._note_health(component, running, seconds)
        return True

    def _start(self, component: Component) -> None:
        self.report(component.name, "starting", 0.0)
        marks = {processes.STACK_MARK: self.state.id, processes.COMPONENT_MARK: component.name}
        environ = {**self.environ, **component.environ, **marks}
        began = datetime.now(UTC)
        leader = processes.start(component.command, environ, self.home.log(component.name), self.home.root)
        self.state.components[component.name] = ComponentState(leader=leader, started_at=began)
        save_state(self.home, self.state)

    def _is_healthy(self, component: Component, running: ComponentState) -> bool:
        alive = running.leader.process() is not None
        code = processes.exit_code(running.leader)
        if component.once and code is not None:
            if code:
                raise self._failure(component, f"ended with exit code {code}")
            return True
        if not alive:
            how = "has died" if code is None else f"died with exit code {code}"
            raise self._failure(component, how)
        return not component.once and component.healthy(running.started_at)

    def _check_bound(self, component: Component, seconds: float) -> None:
        if seconds > component.bound_s:
            raise self._failure(component, f"is not healthy after {component.bound_s:.0f} s")

    def _failure(self, component: Component, how: str) -> StackError:
        log = self.home.log(component.name)
        return StackError(f"{component.name} {how}: {telling_line(log)}\nIts log: {log}")

    def _note_health(self, component: Component, running: ComponentState, seconds: float) -> None:
        if component.once:
            del self.state.components[component.name]
        else:
            healthy = running.model_copy(update={"healthy_after_s": round(seconds, 1)})
            self.state.components[component.name] = healthy
        save_state(self.home, self.state)
        self.report(component.name, "healthy", seconds)


def use_write_ahead_log(database: Path) -> None:
    """Switch a sqlite database to a write-ahead log, so that its readers do not wait for a writer.

    Airflow's components share one database.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(database)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()
