"""Break one thing of a running stack, and mend it."""

from __future__ import annotations

import logging
import random
import signal
import time

import psutil

from devstack.stack import Stack
from iris_core.doctor.airflow_api import AirflowApi
from tests.chaos.looks import patiently
from tests.chaos.script import Fault

log = logging.getLogger(__name__)

TASK_WAIT_S = 20.0


def commit(fault: Fault, stack: Stack, airflow: AirflowApi, chance: random.Random) -> str:
    """Do it, wait, mend it; returns what was done."""
    if fault.kind == "kill":
        stack.kill(fault.target, signal.SIGKILL)
        time.sleep(fault.lasts_s)
        stack.restart(fault.target)
        return f"killed {fault.target} for {fault.lasts_s:.1f} s"
    if fault.kind == "stop":
        stack.kill(fault.target, signal.SIGSTOP)
        time.sleep(fault.lasts_s)
        stack.kill(fault.target, signal.SIGCONT)
        return f"stopped {fault.target} for {fault.lasts_s:.1f} s"
    if fault.kind == "pause":
        _pause(airflow, fault.target, paused=True)
        time.sleep(fault.lasts_s)
        _pause(airflow, fault.target, paused=False)
        return f"paused {fault.target} for {fault.lasts_s:.1f} s"
    return _kill_task(stack, chance)


def _kill_task(stack: Stack, chance: random.Random) -> str:
    """Kill a process that runs a task, or supervises one."""
    until = time.monotonic() + TASK_WAIT_S
    while not (busy := _task_processes(stack)):
        if time.monotonic() > until:
            return "killed no task: none ran"
        time.sleep(0.1)
    victim = chance.choice(busy)
    title = victim.name()
    victim.kill()
    return f"killed task process {victim.pid} ({title})"


def _task_processes(stack: Stack) -> list[psutil.Process]:
    state = stack.state
    component = state.components.get("scheduler") if state else None
    leader = component.leader.process() if component else None
    found = leader.children(recursive=True) if leader else []
    return [process for process in found if _runs_a_task(process)]


def _runs_a_task(process: psutil.Process) -> bool:
    try:
        return "LocalExecutor" not in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _pause(airflow: AirflowApi, dag_id: str, *, paused: bool) -> None:
    patiently(lambda: airflow.patch(f"/dags/{dag_id}", {"is_paused": paused}))
