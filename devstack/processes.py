"""Processes of the local stack: starts each in its own session, finds all of them again, and ends them.

Airflow's supervised tasks leave their parent's process group, and a crash leaves orphans. So every process
has two marks in its environment, the stack's and the component's. Its descendants inherit them, and all
marked processes are found in the process table.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

STACK_MARK = "IRIS_STACK_ID"
COMPONENT_MARK = "IRIS_STACK_COMPONENT"

# This process's children by pid. Handles are kept: Python warns about a dropped one and reaps the child.
_children: dict[int, subprocess.Popen[bytes]] = {}

# The starts of two processes with the same pid are further apart than this.
CLOCK_SLACK_S = 2.0


class ProcessRef(BaseModel):
    """Identifies one process: its pid alone may have been given to another. `created` is in epoch seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    created: float

    def process(self) -> psutil.Process | None:
        """The process; None if it is no longer alive."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created) > CLOCK_SLACK_S or is_dead(process):
                return None
        except psutil.Error:
            return None
        return process


def start(command: Sequence[str], environ: Mapping[str, str], log: Path, cwd: Path) -> ProcessRef:
    """Start a process as leader of its own session and group.

    :param command: the command and its arguments.
    :param environ: the whole environment.
    :param log: the file to which output is appended.
    :param cwd: the working directory.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            env=dict(environ),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children[child.pid] = child
    return ProcessRef(pid=child.pid, created=psutil.Process(child.pid).create_time())


def exit_code(ref: ProcessRef) -> int | None:
    """The exit code of a child of this process; None while it runs, or if it is no child of this process."""
    child = _children.get(ref.pid)
    return child.poll() if child else None


def is_dead(process: psutil.Process) -> bool:
    """Whether a process has ended, even if its parent has not noticed it yet."""
    try:
        return not process.is_running() or process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return True


def members(
    stack_id: str, component: str | None = None, leader: ProcessRef | None = None
) -> list[psutil.Process]:
    """Every living process of a stack, or of one of its components, except this process and its ancestors.

    :param stack_id: the stack's mark.
    :param component: the component; None for all.
    :param leader: its descendants and its session are added, even unmarked: a child may clear its
        environment.
    """
    found = {process.pid: process for process in _marked(stack_id, component)}
    if leader and (process := leader.process()):
        for relative in [process, *_descendants(process), *_session(process.pid)]:
            found.setdefault(relative.pid, relative)
    ours = _self_and_ancestors()
    return [process for pid, process in found.items() if pid not in ours and not is_dead(process)]


def end(processes: Iterable[psutil.Process], patience_s: float) -> list[int]:
    """End processes: send SIGTERM, wait at most `patience_s` seconds, then send SIGKILL.

    :returns: the pids of the processes that had to be killed.
    """
    asked = list(processes)
    _signal(asked, signal.SIGTERM)
    stubborn = wait_for_death(asked, patience_s)
    _signal(stubborn, signal.SIGKILL)
    wait_for_death(stubborn, 5.0)
    return [process.pid for process in stubborn]


def wait_for_death(processes: Iterable[psutil.Process], bound_s: float) -> list[psutil.Process]:
    """Wait until all processes are dead, at most `bound_s` seconds; return those that still live."""
    deadline = time.monotonic() + bound_s
    alive = [process for process in processes if not _reaped(process)]
    while alive and time.monotonic() < deadline:
        time.sleep(0.05)
        alive = [process for process in alive if not _reaped(process)]
    return alive


def _reaped(process: psutil.Process) -> bool:
    if child := _children.get(process.pid):
        child.poll()
    return is_dead(process)


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def _marked(stack_id: str, component: str | None) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            environ = process.environ()
        except (psutil.Error, OSError):
            continue
        if environ.get(STACK_MARK) == stack_id and component in (None, environ.get(COMPONENT_MARK)):
            found.append(process)
    return found


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _session(leader: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader:
                found.append(process)
        except OSError:
            continue
    return found


def _self_and_ancestors() -> set[int]:
    process = psutil.Process()
    return {process.pid, *(parent.pid for parent in process.parents())}
