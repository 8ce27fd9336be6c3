"""A stack of small processes: what dies is named, what was started is ended, what is stale is cleaned."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock

from devstack import components as parts
from devstack import processes
from devstack.components import Component
from devstack.home import Home
from devstack.processes import ProcessRef
from devstack.stack import Stack
from devstack.state import ComponentState, load_state, save_state
from iris_core.errors import StackError

pytestmark = pytest.mark.integration

SLEEP = "import time; time.sleep(300)"
DIES = "import sys; print('INFO fine'); print('OSError: [Errno 98] Address already in use'); sys.exit(4)"

# Another program that starts a stack, says so, and is killed before it can do anything else.
CRASHING = """
import os, signal, sys
from pathlib import Path
from typing import Any
import devstack.stack as module
from devstack.components import Component
from devstack.home import Home

command = (sys.executable, "-c", "import time; time.sleep(300)")
module.parts.describe_stack = lambda *_: [
    Component("scheduler", command, 20),
    Component("mlflow", command, 20, healthy=lambda _: os.kill(os.getpid(), signal.SIGKILL)),
]
module.Stack(Home(Path(sys.argv[1])), {}).up()
"""


def toy(name: str, code: str = SLEEP, **facts: Any) -> Component:
    return Component(name, (sys.executable, "-c", code), 20, **facts)


Compose = Callable[..., Stack]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / ".iris")


@pytest.fixture
def compose(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compose]:
    """A stack of these components."""

    def make(*components: Component) -> Stack:
        monkeypatch.setattr(parts, "describe_stack", lambda *_: list(components))
        return Stack(home, dict(os.environ))

    yield make
    processes.end(processes.members(home.identity()), 0.2)


def whole(**changed: Component) -> list[Component]:
    return [changed.get(name.replace("-", "_"), toy(name)) for name in parts.NAMES]


def living(home: Home) -> list[psutil.Process]:
    return processes.members(home.identity())


def test_up_runs_in_the_background_and_down_ends_it(compose: Compose, home: Home) -> None:
    stack = compose(*whole())
    told: list[tuple[str, str]] = []
    state = stack.up(lambda name, phase, _: told.append((name, phase)))
    assert stack.is_complete()
    assert len(living(home)) == len(parts.NAMES)
    assert {name for name, phase in told if phase == "healthy"} == set(parts.NAMES)
    stored = json.loads(home.state.read_text())
    assert stored["endpoints"].keys() == {"airflow", "mlflow", "store"}
    assert stored["components"]["mlflow"]["leader"]["pid"] == state.components["mlflow"].leader.pid
    assert stack.down() == []
    assert living(home) == []
    assert stack.state is None
    assert not any(status.up for status in stack.status())


def test_a_stack_that_is_gone_and_one_that_has_lost_a_part_are_told(compose: Compose, home: Home) -> None:
    stack = compose(*whole(mlflow=toy("mlflow", "print('ERROR no disk', flush=True);" + SLEEP)))
    assert stack.up() == stack.running()
    pid = stack.running().components["mlflow"].leader.pid
    stack.kill("mlflow")
    processes.wait_for_death([psutil.Process(pid)], 5)
    told = rf"mlflow does not run any more; was the stack taken down\? ERROR no disk\nIts log: {home.logs}"
    with pytest.raises(StackError, match=told):
        stack.running()
    stack.down()
    with pytest.raises(StackError, match="does not run: it was taken down"):
        stack.running()


def test_one_command_at_a_time_changes_it(
    compose: Compose, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devstack.stack.LOCK_PATIENCE_S", 0.2)
    home.root.mkdir()
    with FileLock(home.lock), pytest.raises(StackError, match="iris down: another iris command is changing"):
        compose(*whole()).down()


def test_a_second_up_keeps_what_runs_and_starts_what_died(compose: Compose, home: Home) -> None:
    stack = compose(*whole())
    before = stack.up()
    assert stack.up().components.keys() == before.components.keys()
    assert len(living(home)) == len(parts.NAMES)
    stack.kill(parts.MLFLOW)
    processes.wait_for_death([psutil.Process(before.components[parts.MLFLOW].leader.pid)], 5)
    assert not stack.is_complete()
    after = stack.up()
    assert stack.is_complete()
    assert after.ports == before.ports
    changed = {n for n in parts.NAMES if after.components[n].leader != before.components[n].leader}
    assert changed == {parts.MLFLOW}


def test_a_dead_component_is_named_with_its_exit_code_and_the_line_that_matters(
    compose: Compose, home: Home
) -> None:
    stack = compose(toy("store"), toy("mlflow", DIES, healthy=lambda _: False))
    with pytest.raises(StackError, match=r"mlflow died with exit code 4: .*Address already in use") as error:
        stack.up()
    assert str(home.log("mlflow")) in str(error.value)
    assert living(home) == []


def test_a_component_that_is_not_healthy_in_time_is_named(compose: Compose, home: Home) -> None:
    never = replace(toy("mlflow", "print('ERROR no disk', flush=True);" + SLEEP), bound_s=0.5)
    stack = compose(replace(never, healthy=lambda _: False))
    with pytest.raises(StackError, match=r"mlflow is not healthy after 0 s: ERROR no disk"):
        stack.up()
    assert living(home) == []


def test_one_waits_for_another_and_a_step_runs_once(compose: Compose, home: Home, tmp_path: Path) -> None:
    done = tmp_path / "migrated"
    migration = toy("airflow-db", f"import time; time.sleep(0.4); open({str(done)!r}, 'w')", once=True)
    seen: list[bool] = []
    scheduler = toy(
        "scheduler", f"import os; assert os.path.exists({str(done)!r});" + SLEEP, after=("airflow-db",)
    )
    state = compose(replace(migration, when_healthy=lambda: seen.append(done.exists())), scheduler).up()
    assert seen == [True]
    assert state.components.keys() == {"scheduler"}


def test_a_step_that_fails_is_named(compose: Compose, home: Home) -> None:
    migration = toy("airflow-db", "raise ValueError('no such revision')", once=True)
    with pytest.raises(StackError, match="airflow-db ended with exit code 1: ValueError: no such revision"):
        compose(toy("store"), migration).up()
    assert living(home) == []


def test_ctrl_c_ends_what_was_started(compose: Compose, home: Home) -> None:
    def interrupt(_: datetime) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compose(toy("store"), toy("mlflow", healthy=interrupt)).up()
    assert living(home) == []


def test_down_ends_what_a_killed_command_left(compose: Compose, home: Home) -> None:
    crashed = subprocess.run([sys.executable, "-c", CRASHING, str(home.root)], check=False, timeout=60)
    assert crashed.returncode == -signal.SIGKILL
    assert len(living(home)) == 2
    compose(*whole()).down()
    assert living(home) == []


def test_down_finds_processes_even_without_the_state(compose: Compose, home: Home) -> None:
    stack = compose(*whole())
    stack.up()
    home.state.write_text("{ half")
    stack.down()
    assert living(home) == []


def test_down_ends_what_no_component_owns(compose: Compose, home: Home) -> None:
    stack = compose(*whole(), toy("something-new"))
    stack.up()
    home.state.unlink()
    stack.down()
    assert living(home) == []


def test_a_state_of_dead_processes_is_stale(compose: Compose, home: Home) -> None:
    stack = compose(*whole())
    state = stack.up()
    stack.down()
    dead = ComponentState(
        leader=ProcessRef(pid=os.getpid(), created=time.time() - 10_000),
        started_at=datetime.now(UTC),
    )
    save_state(home, state.model_copy(update={"components": {"mlflow": dead}}))
    assert stack.state is None
    stack.up()
    assert stack.is_complete()
    again = load_state(home)
    assert again is not None
    assert again.components["mlflow"].leader.pid != os.getpid()


def test_restart_ends_a_component_with_its_children_and_no_other(compose: Compose, home: Home) -> None:
    family = "import subprocess, time; subprocess.Popen(['sleep', '300'], start_new_session=True);" + SLEEP
    stack = compose(*whole(scheduler=toy("scheduler", family)))
    before = stack.up().components
    deadline = time.monotonic() + 10
    while len(processes.members(home.identity(), "scheduler")) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    old = processes.members(home.identity(), "scheduler")
    stack.restart("scheduler")
    assert all(processes.is_dead(process) for process in old)
    assert stack.state is not None
    after = stack.state.components
    assert after["scheduler"].leader != before["scheduler"].leader
    assert all(after[name] == before[name] for name in before if name != "scheduler")


def test_a_signal_reaches_the_main_process(compose: Compose) -> None:
    stack = compose(*whole())
    leader = stack.up().components["triggerer"].leader
    stack.kill("triggerer", signal.SIGSTOP)
    deadline = time.monotonic() + 5
    while psutil.Process(leader.pid).status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    stack.kill("triggerer", signal.SIGCONT)
    stack.down()
    with pytest.raises(StackError, match="triggerer does not run"):
        stack.kill("triggerer")


def test_reset_refuses_while_it_runs_and_then_forgets_everything(compose: Compose, home: Home) -> None:
    stack = compose(*whole())
    stack.up()
    with pytest.raises(StackError, match="End it with `make down` first"):
        stack.reset()
    stack.down()
    stack.reset()
    assert not home.root.exists()
    stack.reset()


def test_a_minio_that_cannot_be_run_is_named(home: Home) -> None:
    ports = {"store": 20001, "store-console": 20002, "mlflow": 20003, "airflow": 20004}
    with pytest.raises(StackError, match="MINIO_BIN=/no/minio cannot be run"):
        parts.describe_stack(home, ports, {"MINIO_BIN": "/no/minio"}, lambda: None)


def test_a_real_minio_is_preferred(home: Home, tmp_path: Path) -> None:
    binary = tmp_path / "minio"
    binary.touch(mode=0o755)
    ports = {"store": 20001, "store-console": 20002, "mlflow": 20003, "airflow": 20004}
    environ = {"PATH": str(tmp_path), "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    store = parts.describe_stack(home, ports, environ, lambda: None)[0]
    assert store.command[0] == str(binary)
    assert store.environ["MINIO_ROOT_PASSWORD"] == "b"
    embedded = parts.describe_stack(home, ports, {"PATH": "/nowhere"}, lambda: None)[0]
    assert "devstack.embedded_s3" in embedded.command
