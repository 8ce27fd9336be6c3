"""docker-compose.yml in containers, with both executors: up, demo, stop, down, up again with the same ledger.

Needs a Docker API and Docker Compose, and says so where there is none. `DOCKER_HOST` is heeded, and so are
the variables that name images. What it starts is a project of its own, and gone afterwards but for the image.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.env_file import write_env
from iris_core.cli.composed import composed
from iris_core.ledger.workspace import access_from_settings, open_workspace
from tests.stack.conftest import PUBLISHED, scaled_out
from tests.stack.native import ROOT, free_ports

pytestmark = [pytest.mark.compose, pytest.mark.timeout(3600)]

COMPOSE = shlex.split(os.environ.get("DOCKER_COMPOSE", "docker compose"))
PROJECT = f"iris-test-{os.getpid()}"
BUILT_AND_HEALTHY_WITHIN_S = 1800.0


def missing() -> str:
    """Why containers cannot be run here; empty when they can."""
    try:
        asked = subprocess.run([*COMPOSE, "ls"], capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        return f"there is no `{COMPOSE[0]}`"
    said = " ".join(asked.stderr.split())[:200]
    where = os.environ.get("DOCKER_HOST", "the default address")
    return f"`{shlex.join(COMPOSE)} ls` with {where}: {said}" if asked.returncode else ""


@dataclass(frozen=True)
class Containers:
    """The project's containers; `variables` win over its `.env`."""

    env_file: Path

    def compose(self, *words: str, **variables: str) -> str:
        """What a command of Docker Compose answers.

        :raises AssertionError: its exit code is not 0.
        """
        command = [*COMPOSE, "--env-file", str(self.env_file), "--project-name", PROJECT, *words]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def up(self, **variables: str) -> None:
        """Start everything, and wait until what stays up is healthy and what ends ended well."""
        began = time.monotonic()
        self.compose("up", "--build", "--detach", **variables)
        while waiting := [name for name, one in self.states().items() if not is_ready(name, one)]:
            assert time.monotonic() - began < BUILT_AND_HEALTHY_WITHIN_S, self.told(waiting)
            time.sleep(2)
        print(f"\nup after {time.monotonic() - began:.0f} s: {', '.join(self.states())}")

    def states(self) -> dict[str, dict[str, Any]]:
        """Each container as `ps` shows it; one JSON object a line, an array in older releases."""
        answer = self.compose("--profile", "celery", "ps", "--all", "--format", "json").strip()
        found = json.loads(answer) if answer.startswith("[") else map(json.loads, answer.splitlines())
        return {one["Name"]: one for one in found}

    def ids(self) -> dict[str, str]:
        """Each container's id, which a container that was recreated has not kept."""
        return {name: one["ID"] for name, one in self.states().items()}

    def first_processes(self) -> dict[str, tuple[str, str]]:
        """User and effective capabilities of the first process in each container that runs."""
        running = {one["Service"] for one in self.states().values() if one["State"] == "running"}
        found = {}
        for service in running:
            status = dict(
                line.split(":", 1)
                for line in self.compose("exec", "-T", service, "cat", "/proc/1/status").splitlines()
            )
            found[service] = (status["Uid"].split()[0], status["CapEff"].strip())
        return found

    def changed_by_a_task(self, *folders: str) -> list[str]:
        """Those of the folders below Airflow's that the user of a task can change."""
        tries = "; ".join(f"touch {name}/changed 2>/dev/null && echo {name}" for name in folders)
        answer = self.compose("exec", "-T", "airflow-scheduler", "sh", "-c", f"{tries}; true")
        return answer.split()

    def told(self, names: list[str]) -> str:
        """What containers say that are not ready."""
        services = {self.states()[name]["Service"] for name in names}
        return f"{names} not ready\n" + self.compose("logs", "--tail", "30", *services)

    def stopped(self) -> dict[str, int]:
        """Stop all, and tell each container's exit code."""
        self.compose("--profile", "celery", "stop")
        return {name: one["ExitCode"] for name, one in self.states().items()}

    def ledger(self) -> list[str]:
        """Every decision there is, by its key."""
        settings = composed(self.env_file, {}).settings
        workspace = open_workspace(settings, access_from_settings(settings))
        return sorted(record.identity.path for record in workspace.ledger.recent())

    def demo(self, home: Path) -> Mapping[str, Any]:
        """The demo's figures."""
        words = ["make", "compose-demo", f"ENV_FILE={self.env_file}", f"VENV={sys.prefix}"]
        done = subprocess.run(
            words, cwd=ROOT, env={**os.environ, "IRIS_HOME": str(home)}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads((home / "demo.json").read_text(encoding="utf-8"))
        return found


def is_ready(name: str, container: Mapping[str, Any]) -> bool:
    """Whether a container is healthy, or has ended with 0 and will not be started again.

    :raises AssertionError: it ended with another code.
    """
    if container["State"] == "exited":
        assert container["ExitCode"] == 0, f"{name} ended with {container['ExitCode']}"
        return True
    return bool(container["State"] == "running" and container["Health"] == "healthy")


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    """A project with secrets and ports of its own; ended with its volumes, whatever happened."""
    if why := missing():
        pytest.skip(f"no containers: {why}")
    with tempfile.TemporaryDirectory(prefix="iris-compose-") as folder:
        env_file = Path(folder) / ".env"
        write_env(env_file)
        ports = free_ports()
        with env_file.open("a", encoding="utf-8") as file:
            file.writelines(f"{name}={ports[place]}\n" for name, place in PUBLISHED.items())
        found = Containers(env_file)
        try:
            yield found
        finally:
            found.compose("--profile", "celery", "down", "--volumes", "--remove-orphans")


@pytest.mark.parametrize("executor", ["LocalExecutor", "CeleryExecutor"])
def test_up_demo_stop_down_and_up_again(containers: Containers, executor: str, tmp_path: Path) -> None:
    variables = scaled_out() if executor == "CeleryExecutor" else {}
    containers.up(**variables)
    services = {one["Service"] for one in containers.states().values()}
    assert ("airflow-worker" in services) is (executor == "CeleryExecutor")
    before = containers.ids()
    containers.up(**variables)
    assert containers.ids() == before
    assert {
        name for name, (user, may) in containers.first_processes().items() if user == "0" or int(may, 16)
    } == set()
    assert containers.changed_by_a_task("dags", "plugins", "config", "deploy", "logs") == ["logs"]
    acts = containers.demo(tmp_path)["acts"]
    assert [act["name"] for act in acts] == ["clean", "shifted"]
    assert acts[1]["severity"] == "high"
    decisions = containers.ledger()
    assert decisions
    codes = containers.stopped()
    assert {name: code for name, code in codes.items() if code} == {}
    containers.compose("--profile", "celery", "down")
    assert containers.states() == {}
    containers.up(**variables)
    assert containers.ledger() == decisions
    containers.compose("--profile", "celery", "down")
