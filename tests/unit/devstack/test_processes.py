"""Processes are found again and ended, whatever they did to get away; nobody else's are."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from devstack import processes
from devstack.processes import COMPONENT_MARK, STACK_MARK, ProcessRef

pytestmark = pytest.mark.integration

# A process whose child leaves session and group, ignores TERM, and has a child of its own.
FAMILY = """
import os, signal, subprocess, sys, time
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sleep", "300"])
    print("ready", flush=True)
    time.sleep(300)
time.sleep(300)
"""

# A process whose child keeps nothing of the environment, and changes its group, as Airflow's tasks do.
WIPED = """
import os, subprocess, time
subprocess.Popen(["sleep", "300"], env={}, process_group=0)
print("ready", flush=True)
time.sleep(300)
"""

SLEEPER = "import time; print('ready', flush=True); time.sleep(300)"

Start = Callable[..., ProcessRef]


@pytest.fixture
def stack_id() -> str:
    return secrets.token_hex(8)


@pytest.fixture
def start(tmp_path: Path, stack_id: str) -> Iterator[Start]:
    """Run Python code with this stack's marks until it says that it is ready; ended after the test."""
    leaders: list[ProcessRef] = []

    def run(code: str, component: str = "scheduler", mark: str = stack_id) -> ProcessRef:
        log = tmp_path / f"{len(leaders)}.log"
        environ: Mapping[str, str] = {**os.environ, STACK_MARK: mark, COMPONENT_MARK: component}
        leader = processes.start([sys.executable, "-c", code], environ, log, tmp_path)
        leaders.append(leader)
        deadline = time.monotonic() + 20
        while "ready" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        return leader

    yield run
    for leader in leaders:
        processes.end(processes.members(stack_id, leader=leader), 0.1)


def pids(found: list[psutil.Process]) -> set[int]:
    return {process.pid for process in found}


def test_a_process_leads_its_own_session_and_group(start: Start) -> None:
    leader = start(SLEEPER)
    assert os.getsid(leader.pid) == os.getpgid(leader.pid) == leader.pid
    assert processes.exit_code(leader) is None


def test_a_family_that_left_the_session_is_found_and_ended(start: Start, stack_id: str) -> None:
    leader = start(FAMILY)
    family = processes.members(stack_id, "scheduler", leader)
    assert len(family) == 3
    assert any(os.getsid(process.pid) != leader.pid for process in family)
    stubborn = processes.end(family, 0.3)
    # The one that ignores TERM, and its child, which inherited that.
    assert len(stubborn) == 2
    assert processes.members(stack_id) == []
    assert not any(process.is_running() and not processes.is_dead(process) for process in family)


def test_orphans_of_a_killed_leader_are_found_by_their_mark(start: Start, stack_id: str) -> None:
    leader = start(FAMILY)
    psutil.Process(leader.pid).kill()
    processes.wait_for_death([psutil.Process(leader.pid)], 5)
    assert leader.process() is None
    assert len(processes.members(stack_id)) == 2


def test_a_child_without_the_mark_is_found_through_its_leader(start: Start, stack_id: str) -> None:
    leader = start(WIPED)
    assert len(processes.members(stack_id, "scheduler", leader)) == 2
    assert len(processes.members(stack_id, "scheduler")) == 1


def test_other_stacks_and_other_components_are_left_alone(start: Start, stack_id: str) -> None:
    ours = start(SLEEPER, "scheduler")
    start(SLEEPER, "triggerer")
    other = start(SLEEPER, "scheduler", mark=secrets.token_hex(8))
    assert pids(processes.members(stack_id, "scheduler")) == {ours.pid}
    assert other.pid not in pids(processes.members(stack_id))
    processes.end(processes.members(stack_id), 2)
    assert other.process() is not None


def test_this_process_is_never_a_member() -> None:
    """In a process of its own: a test runner's workers overwrite their environment with their title."""
    mark = secrets.token_hex(8)
    asked = f"from devstack import processes; print(processes.members({mark!r}))"
    environ = {**os.environ, processes.STACK_MARK: mark}
    answer = subprocess.run(
        [sys.executable, "-c", asked], env=environ, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_a_pid_that_is_somebody_elses_now_is_nobody(start: Start) -> None:
    leader = start(SLEEPER)
    assert leader.process() is not None
    assert leader.model_copy(update={"created": leader.created - 60}).process() is None


def test_how_a_child_ended(start: Start) -> None:
    leader = start("print('ready', flush=True); raise SystemExit(3)")
    processes.wait_for_death([psutil.Process(leader.pid)], 5)
    assert processes.exit_code(leader) == 3
