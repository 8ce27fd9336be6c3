"""`make bench-loop`: from a PUT to a run, and to the drift verdict, beside chains of empty tasks.

In one run, one after the other:

- ours: a training CSV is PUT; until the training run is created, and until the drift verdict on what the new
  model scored is in the ledger.
- empty: DAGs of the same shape whose tasks are empty, on the same stack, a round after each of ours: what our
  tasks add to Airflow's own time. An asset event is posted, until the last task has ended.
- by hand: an asset event posted to the same stack, until the run is created: what arrival costs at least.
- stock: the same empty DAGs in `airflow standalone` with its default settings (LocalExecutor, sqlite).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from devstack.environment import DAGS, dag_folder
from devstack.figures import Figure, write_figures
from devstack.home import Home, find_home
from devstack.iris_tables import split_iris
from devstack.ports import choose_ports
from devstack.stack import Stack
from iris_core.doctor.airflow_api import AirflowApi
from iris_core.errors import IrisError, StackError
from iris_core.ledger.workspace import Workspace
from iris_core.settings.project_files import PROJECT_FILE_VARIABLE, project_file

Found = TypeVar("Found")
console = Console()
BOUND_S = 180.0
STOCK_DAGS = Path(__file__).parent / "stock_dags"
EMPTY_CHAIN = "stock_training_data"
FOREIGN = ("AIRFLOW", "MLFLOW_", "AWS_", "PYTHONPATH")


@dataclass
class Times:
    """Seconds, one of each round."""

    arrival: list[float] = field(default_factory=list)
    by_hand: list[float] = field(default_factory=list)
    loop: list[float] = field(default_factory=list)
    first_loop: float = 0.0
    empty: list[float] = field(default_factory=list)
    stock: list[float] = field(default_factory=list)


def main(rounds: Annotated[int, typer.Option(min=2, help="Rounds of each kind.")] = 10) -> None:
    """Measure arrival and the whole loop; exits 0 when it measured, whatever it found."""
    times = Times()
    folder = Path(tempfile.mkdtemp(prefix="iris-bench-loop-"))
    try:
        with _ours(folder / "ours") as (workspace, airflow):
            _measure_ours(workspace, airflow, rounds, times)
        with _stock(folder / "stock") as airflow:
            _measure_stock(airflow, rounds, times)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _report(times, rounds)


@contextlib.contextmanager
def _ours(root: Path) -> Iterator[tuple[Workspace, AirflowApi]]:
    os.environ[PROJECT_FILE_VARIABLE] = str(_project_with_empty_dags(root.with_name("project")))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("IRIS_PORT")}
    stack = Stack(Home(root), environ)
    try:
        with console.status("starting our stack"):
            state = stack.up()
        yield stack.workspace(), AirflowApi(state.endpoints["airflow"])
    finally:
        stack.down()


def _project_with_empty_dags(folder: Path) -> Path:
    """A copy of the project whose DAG folder holds the empty DAGs, too; return its file."""
    source = project_file()
    shutil.copytree(dag_folder(), folder / DAGS)
    shutil.copytree(STOCK_DAGS, folder / DAGS, dirs_exist_ok=True)
    content = {**json.loads(source.read_text(encoding="utf-8")), "dag_directory": DAGS}
    (folder / source.name).write_text(json.dumps(content), encoding="utf-8")
    return folder / source.name


def _measure_ours(workspace: Workspace, airflow: AirflowApi, rounds: int, times: Times) -> None:
    settings, names = workspace.settings, workspace.settings.names
    seed = secrets.randbelow(2**31)
    _put(workspace, settings.test_key, split_iris(settings.project.table, seed)[1].csv())
    empty = _wait(lambda: airflow.asset_id(EMPTY_CHAIN), "the empty DAGs")
    for number in range(rounds + 1):
        data = split_iris(settings.project.table, seed + 1 + number)[0].csv()
        began = datetime.now(UTC)
        digest = _put(workspace, settings.train_key, data)
        arrived = _wait(partial(_created, airflow, names.training_dag, began), "a training run")
        verdict = _wait(partial(_verdict, workspace, digest), "the drift verdict")
        _rest(airflow)
        took, empty_took = (verdict - began).total_seconds(), _empty_chain(airflow, empty)
        # The first round also wakes the daily runs that waited for data, and warms what is cached.
        if not number:
            times.first_loop = took
            continue
        times.arrival.append((arrived - began).total_seconds())
        times.loop.append(took)
        times.empty.append(empty_took)
        _tell("ours, and empty tasks", number, rounds, took, empty_took)
    asset = airflow.asset_id(names.asset("training_data"))
    for number in range(1, rounds + 1):
        times.by_hand.append(_by_hand(airflow, asset, names.training_dag))
        _rest(airflow)
        _tell("by hand", number, rounds, times.by_hand[-1])


def _put(workspace: Workspace, key: str, data: bytes) -> str:
    return workspace.store.put(workspace.settings.bucket, key, data, "text/csv").digest


def _verdict(workspace: Workspace, training_digest: str) -> datetime | None:
    for record in workspace.ledger.recent("drift"):
        if record.model and f"/{training_digest}/" in record.model.training:
            return record.at
    return None


def _by_hand(airflow: AirflowApi, asset: int | None, dag_id: str) -> float:
    began = datetime.now(UTC)
    airflow.post("/assets/events", {"asset_id": asset, "extra": {}})
    return (_wait(lambda: _created(airflow, dag_id, began), "a run") - began).total_seconds()


def _created(airflow: AirflowApi, dag_id: str, since: datetime) -> datetime | None:
    """When the first run that an event caused since was created."""
    found = airflow.get(
        f"/dags/{dag_id}/dagRuns", run_type="asset_triggered", order_by="-run_after", limit=5
    )["dag_runs"]
    created = [datetime.fromisoformat(run["queued_at"]) for run in found if run["queued_at"]]
    return min((moment for moment in created if moment >= since), default=None)


def _rest(airflow: AirflowApi) -> None:
    running: dict[str, Any] = {"state": ["queued", "running"], "limit": 1}
    _wait(lambda: airflow.get("/dags/~/dagRuns", **running)["total_entries"] == 0 or None, "a quiet stack")


def _wait(look: Callable[[], Found | None], what: str) -> Found:
    until = time.monotonic() + BOUND_S
    while time.monotonic() < until:
        with contextlib.suppress(IrisError):
            if (found := look()) is not None:
                return found
        time.sleep(0.1)
    raise StackError(f"{what} did not come within {BOUND_S:.0f} s.")


@contextlib.contextmanager
def _stock(root: Path) -> Iterator[AirflowApi]:
    """`airflow standalone` as it comes, but for ports, its home and its DAGs."""
    root.mkdir(parents=True)
    # Three free ports, whatever they are called there.
    port, worker_logs, trigger_logs = list(choose_ports({}).values())[:3]
    address = f"http://127.0.0.1:{port}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environ = {
        **inherited,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', '')}",
        "AIRFLOW_HOME": str(root),
        "AIRFLOW__CORE__DAGS_FOLDER": str(STOCK_DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
    }
    with (root / "standalone.log").open("wb") as log, console.status("starting a stock Airflow"):
        process = subprocess.Popen(
            ["airflow", "standalone"], env=environ, stdout=log, stderr=log, start_new_session=True
        )
    try:
        airflow = AirflowApi(address)
        _wait(lambda: len(airflow.dag_ids()) == 3 or None, "the stock Airflow")
        yield airflow
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)


def _measure_stock(airflow: AirflowApi, rounds: int, times: Times) -> None:
    asset = _wait(lambda: airflow.asset_id(EMPTY_CHAIN), "the stock DAGs")
    _rest(airflow)
    for number in range(rounds + 1):
        took = _empty_chain(airflow, asset)
        if number:
            times.stock.append(took)
            _tell("stock", number, rounds, took)


def _empty_chain(airflow: AirflowApi, asset: int) -> float:
    """Start the empty DAGs by the first one's asset; return the seconds until the last task has ended."""
    began = datetime.now(UTC)
    airflow.post("/assets/events", {"asset_id": asset, "extra": {}})
    ended = _wait(partial(_ended, airflow, began), "the end of the empty chain")
    _rest(airflow)
    return (ended - began).total_seconds()


def _ended(airflow: AirflowApi, since: datetime) -> datetime | None:
    tasks = airflow.tasks("stock_drift", since, ["success"])
    return next((task.end_date for task in tasks if task.task_id == "verdict" and task.end_date), None)


def _tell(what: str, number: int, rounds: int, *seconds: float) -> None:
    told = ", ".join(f"{one:.2f} s" for one in seconds)
    console.print(f"  {what} {number} of {rounds}: {told}", style="dim")


def quantile(values: list[float], share: float) -> float:
    """The nearest-rank quantile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _report(times: Times, rounds: int) -> None:
    table = Table(title=f"the loop, {rounds} rounds each")
    for column in ("", "p50 s", "p95 s"):
        table.add_column(column, justify="right" if column else "left")
    for name, values in (
        ("PUT to training run created", times.arrival),
        ("asset event by hand to run created", times.by_hand),
        ("PUT to drift verdict stored", times.loop),
        ("the first PUT of a fresh stack to drift verdict stored", [times.first_loop]),
        ("empty tasks on the same stack, whole chain", times.empty),
        ("empty tasks in a stock Airflow, whole chain", times.stock),
    ):
        table.add_row(name, f"{quantile(values, 0.5):.2f}", f"{quantile(values, 0.95):.2f}")
    pairs = (
        ("arrival_p50_ratio", times.arrival, times.by_hand, 0.5, 1.2),
        ("arrival_p95_ratio", times.arrival, times.by_hand, 0.95, 2.0),
        ("loop_p50_ratio", times.loop, times.stock, 0.5, 0.45),
        ("loop_p95_ratio", times.loop, times.stock, 0.95, None),
        ("loop_vs_tuned_empty", times.loop, times.empty, 0.5, 1.3),
        ("first_loop_ratio", [times.first_loop], times.loop, 0.5, None),
    )
    figures = [
        Figure(
            name=name,
            value=round(quantile(ours, share) / quantile(theirs, share), 3),
            unit="x",
            baseline=round(quantile(theirs, share), 3),
            goal=goal,
        )
        for name, ours, theirs, share, goal in pairs
    ]
    for figure in figures:
        goal = "" if figure.goal is None else f"goal {figure.goal:g}: {'met' if figure.met else 'missed'}"
        table.add_row(figure.name, f"{figure.value:.2f} x", goal)
    console.print(table)
    write_figures(find_home(), "bench-loop", figures, {"rounds": rounds})


if __name__ == "__main__":
    typer.run(main)
