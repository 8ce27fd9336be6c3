"""MLflow's server takes the place of the command that starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from devstack import processes
from devstack.components import MLFLOW, describe_stack
from devstack.environment import component_environment, stack_environment, url_of
from devstack.home import Home
from devstack.ports import choose_ports

BECOME = """
import os, sys
from devstack.mlflow_server import become
print(os.getpid(), flush=True)
code = "import os; print(os.getpid(), os.environ['KEPT'], os.environ['ADDED'])"
become([sys.executable, "-c", code], {"ADDED": "2"}, capture_output=False)
"""


@pytest.mark.integration
def test_the_command_runs_in_the_same_process() -> None:
    environ = {**os.environ, "KEPT": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", BECOME], env=environ, capture_output=True, text=True, check=True
    )
    before, after = ran.stdout.splitlines()
    assert after == f"{before} 1 2"


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_one_process_holds_mlflow_and_refuses_foreign_hosts(tmp_path: Path) -> None:
    home, ports = Home(tmp_path), choose_ports({})
    home.mlflow.mkdir()
    environ = component_environment(stack_environment(home, ports, {}), os.environ)
    part = next(p for p in describe_stack(home, ports, environ, lambda: None) if p.name == MLFLOW)
    server = processes.start(part.command, {**environ, **part.environ}, home.log(MLFLOW), tmp_path)
    process = psutil.Process(server.pid)
    try:
        while not part.healthy(None):  # type: ignore[arg-type]  # when it started, which it does not ask for
            assert processes.exit_code(server) is None, home.log(MLFLOW).read_text()
            time.sleep(0.3)
        [worker] = process.children()
        assert worker.children() == []
        assert _private(process) < _private(worker) / 4
        api = f"{url_of(ports['mlflow'])}/api/2.0/mlflow/experiments/get?experiment_id=0"
        answered = [
            httpx.get(api, headers={"Host": host}).status_code for host in ("localhost:1", "10.0.0.1:1")
        ]
        assert answered == [200, 403]
    finally:
        processes.end([process, *process.children(recursive=True)], 5.0)


def _private(process: psutil.Process) -> int:
    """The memory that a process shares with no other, in bytes."""
    return int(process.memory_full_info().uss)
