"""The local stack: an object store, MLflow and Airflow as processes of this machine.

    stack = Stack(find_home())
    stack.up()
    stack.restart("scheduler")
    stack.down()

The stack runs in the background and outlives the process that started it; `Stack` finds it again through
`.iris/`.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import psutil
from filelock import FileLock, Timeout

from deploy.buckets import ensure_buckets
from devstack import components as parts
from devstack import processes
from devstack.environment import (
    component_environment,
    read_environment,
    stack_environment,
    url_of,
    write_environment,
    write_local_settings,
)
from devstack.home import Home
from devstack.logs import telling_line
from devstack.ports import choose_ports
from devstack.startup import Report, Startup, tell_nobody, use_write_ahead_log
from devstack.state import StackState, load_state, save_state
from iris_core.errors import StackError
from iris_core.ledger.workspace import Workspace, access_from_settings, open_workspace
from iris_core.settings.projects import Deployment
from iris_core.settings.variables import Settings, load_deployment, load_settings
from iris_core.store.objects import ObjectStore

PATIENCE_S = 3.0
"""Seconds that components have to end before they are killed.

Longer waits gain nothing: Airflow's components idle for five seconds after their work is done, and decisions
are safe whenever a process ends.
"""

LOCK_PATIENCE_S = 15.0


@dataclass(frozen=True)
class ComponentStatus:
    """The current state of one component; `pid` is None if it does not run."""

    name: str
    up: bool
    pid: int | None
    started_at: datetime | None
    healthy_after_s: float | None
    log: str


class Stack:
    """The stack of one home. `environ` (default: this process's) holds settings, ports, `MINIO_BIN`."""

    def __init__(self, home: Home, environ: Mapping[str, str] | None = None) -> None:
        self.home = home
        self._environ = dict(os.environ if environ is None else environ)

    @property
    def state(self) -> StackState | None:
        """The state of the running stack; None if none of its processes lives."""
        state = load_state(self.home)
        return state if state and state.alive() else None

    @cached_property
    def settings(self) -> Settings:
        """The settings that the running stack was started with: those of the chosen project.

        :raises StackError: the stack was never started.
        """
        return load_settings(self._stored())

    @property
    def deployment(self) -> Deployment:
        """The projects of the running stack.

        :raises StackError: the stack was never started.
        """
        return load_deployment(self._stored())

    def _stored(self) -> dict[str, str]:
        values = read_environment(self.home)
        if not values:
            raise StackError(f"There is no stack in {self.home.root}. Start one with `make up`.")
        return values

    def workspace(self) -> Workspace:
        """The workspace of the running stack."""
        return open_workspace(self.settings, access_from_settings(self.settings))

    def is_complete(self) -> bool:
        """Whether every component's process lives."""
        state = self.state
        return state is not None and set(state.alive()) >= set(parts.NAMES)

    def running(self) -> StackState:
        """The state of the running stack, if all its components live.

        :raises StackError: the stack was taken down, or a component has died; the message quotes its log.
        """
        state = self.state
        if not state:
            raise StackError(f"The stack in {self.home.root} does not run: it was taken down.")
        for name in parts.NAMES:
            if name not in state.alive():
                log = self.home.log(name)
                told = f"{name} does not run any more; was the stack taken down? {telling_line(log)}"
                raise StackError(f"{told}\nIts log: {log}")
        return state

    def status(self) -> list[ComponentStatus]:
        """The status of every component, whether it runs or not."""
        state = self.state
        return [self._status_of(name, state) for name in parts.NAMES]

    def _status_of(self, name: str, state: StackState | None) -> ComponentStatus:
        component = state.components.get(name) if state else None
        up = bool(component and component.leader.process())
        return ComponentStatus(
            name=name,
            up=up,
            pid=component.leader.pid if component and up else None,
            started_at=component.started_at if component else None,
            healthy_after_s=component.healthy_after_s if component else None,
            log=str(self.home.log(name)),
        )

    def up(self, report: Report = tell_nobody) -> StackState:
        """Start the components that do not run, and wait until all are healthy.

        If starting a stopped stack fails, everything that was started is ended again.

        :raises StackError: a port is taken, a tool is missing, a component died or is not healthy in time.
        """
        with self._locked("up"):
            running = self.state
            state = running or self._fresh()
            self._end(set(parts.NAMES) - set(state.alive()), state)
            try:
                self._startup(state, report).bring_up(self._components(state))
            except BaseException:
                if not running:
                    self._end_all(report)
                raise
            return state

    def down(self, report: Report = tell_nobody) -> list[str]:
        """End every process of the stack, also after a crash. Data stays.

        :returns: names of the components that had to be killed.
        """
        with self._locked("down"):
            return self._end_all(report)

    def kill(self, component: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a component's main process alone, to imitate a crash; its children are not ended.

        :raises StackError: the component does not run.
        """
        self._leader(component).send_signal(number)

    def restart(self, component: str, report: Report = tell_nobody) -> None:
        """End a component with all its descendants, start it again, and wait until it is healthy.

        :raises StackError: the stack does not run, or the component does not become healthy.
        """
        with self._locked("restart"):
            state = self.state
            if not state:
                raise StackError(f"The stack in {self.home.root} does not run. Start it with `make up`.")
            self._end([component], state)
            state.components.pop(component, None)
            self._startup(state, report).bring_up(
                [part for part in self._components(state) if part.name == component]
            )

    def reset(self) -> None:
        """Delete everything that the stack has stored.

        :raises StackError: the stack runs, or the folder is none of a stack.
        """
        if self.state:
            raise StackError(f"The stack in {self.home.root} runs. End it with `make down` first.")
        if self.home.root.exists():
            with self._locked("reset"):
                self._end_all(tell_nobody)
            shutil.rmtree(self.home.root)

    def _fresh(self) -> StackState:
        """Prepare a start: end leftover processes, choose ports, and write files; return the new state."""
        self._sweep()
        last = load_state(self.home)
        ports = choose_ports(self._environ, last.ports if last else None)
        write_environment(self.home, stack_environment(self.home, ports, self._environ))
        self.__dict__.pop("settings", None)
        write_local_settings(self.home)
        self.home.mlflow.mkdir(parents=True, exist_ok=True)
        use_write_ahead_log(self.home.airflow / "airflow.db")
        state = StackState(
            id=self.home.identity(),
            started_at=datetime.now(UTC),
            ports=ports,
            endpoints={name: url_of(ports[name]) for name in ("airflow", "mlflow", "store")},
        )
        save_state(self.home, state)
        return state

    def _components(self, state: StackState) -> list[parts.Component]:
        environ = {**self._environ, **read_environment(self.home)}
        return parts.describe_stack(self.home, state.ports, environ, self._prepare_store)

    def _prepare_store(self) -> None:
        store = ObjectStore(access_from_settings(self.settings))
        ensure_buckets(store, *self.deployment.projects)

    def _startup(self, state: StackState, report: Report) -> Startup:
        environ = component_environment(read_environment(self.home), self._environ)
        return Startup(self.home, state, {**environ, "PATH": parts.tool_path()}, report)

    def _leader(self, component: str) -> psutil.Process:
        state = self.state
        running = state.components.get(component) if state else None
        process = running.leader.process() if running else None
        if process is None:
            raise StackError(f"{component} does not run; its log is {self.home.log(component)}")
        return process

    def _end_all(self, report: Report) -> list[str]:
        """End first the components that run tasks, then the servers, then all other marked processes."""
        state = load_state(self.home)
        killed: list[str] = []
        for wave in (parts.RUNNERS, parts.SERVERS):
            killed += self._end(wave, state, report)
        self._sweep()
        if state:
            state.components.clear()
            save_state(self.home, state)
        return killed

    def _end(self, names: Iterable[str], state: StackState | None, report: Report = tell_nobody) -> list[str]:
        """End several components at once; return the names of those that had to be killed."""
        began = time.monotonic()
        owners: dict[int, str] = {}
        found: dict[int, psutil.Process] = {}
        for name in names:
            component = state.components.get(name) if state else None
            leader = component.leader if component else None
            for process in processes.members(self.home.identity(), name, leader):
                found[process.pid] = process
                owners[process.pid] = name
        for name in sorted(set(owners.values())):
            report(name, "stopping", 0.0)
        stubborn = processes.end(found.values(), PATIENCE_S)
        for name in sorted(set(owners.values())):
            report(name, "stopped", time.monotonic() - began)
        return sorted({owners[pid] for pid in stubborn})

    def _sweep(self) -> None:
        """End every process with this stack's mark."""
        if self.home.root.exists():
            processes.end(processes.members(self.home.identity()), 1.0)

    @contextmanager
    def _locked(self, purpose: str) -> Iterator[None]:
        """Hold the stack's lock, so that only one command changes the stack at a time."""
        self.home.check_own()
        self.home.root.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.home.lock, timeout=LOCK_PATIENCE_S):
                yield
        except Timeout as error:
            raise StackError(
                f"iris {purpose}: another iris command is changing {self.home.root}. "
                "Wait for it, or end it with Ctrl-C."
            ) from error
