"""`make bench-memory`: the memory of the whole local stack after a demo, by component and process.

The demo is played on a stack of its own, and the stack left to rest. Then the proportional set size (PSS) of
every process is read from the kernel: a page that several processes share counts for each in part, so the
sizes add up to what the stack takes. Linux only.

Processes that Airflow starts for a moment, such as the dag-processor's children, come and go: several samples
are taken, and each figure is that of the sample whose sum is the median.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from devstack import components, processes
from devstack.demo import Scene, play
from devstack.figures import Figure, write_figures
from devstack.home import Home, find_home
from devstack.hops import Hop
from devstack.stack import Stack
from iris_core.doctor.airflow_api import AirflowApi
from iris_core.errors import StackError

console = Console()
GOAL_MB = 1700.0
REST_S = 30.0
QUIET_BOUND_S = 180.0
PAUSE_S = 2.0


@dataclass(frozen=True)
class Held:
    """The memory of one process: its share of all pages, and the pages that it shares with nobody.

    `role` is `main` for its component's first process, else `child`.
    """

    component: str
    role: str
    pss_mb: float
    uss_mb: float


class Silent:
    """A demo that shows only its acts."""

    def act(self, name: str, what: str) -> None:
        """Show that an act begins."""
        console.print(f"  {name}: {what}", style="dim")

    def hop(self, hop: Hop) -> None:
        """Not shown."""

    def waiting(self, what: str, seconds: float) -> None:
        """Not shown."""


def main(
    samples: Annotated[int, typer.Option(min=1, help="Samples of the resting stack.")] = 5,
    demo: Annotated[
        bool, typer.Option(help="Play the demo before; without it the stack has just started.")
    ] = True,
) -> None:
    """Measure the stack's memory; exits 0 when it measured, whatever it found."""
    with _stack() as stack:
        if demo:
            play(_scene(stack), Silent())
        with console.status("waiting for a quiet stack"):
            _rest(AirflowApi(stack.running().endpoints["airflow"]))
        taken = []
        for _ in range(samples):
            taken.append(sample(stack))
            time.sleep(PAUSE_S)
    _report(
        median(taken), [total(held) for held in taken], has_minio=bool(components.minio_binary(os.environ))
    )


@contextlib.contextmanager
def _stack() -> Iterator[Stack]:
    folder = Path(tempfile.mkdtemp(prefix="iris-bench-memory-"))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("IRIS_PORT")}
    stack = Stack(Home(folder), environ)
    try:
        with console.status("starting a stack"):
            stack.up()
        yield stack
    finally:
        stack.down()
        shutil.rmtree(folder, ignore_errors=True)


def _scene(stack: Stack) -> Scene:
    endpoints = stack.running().endpoints
    airflow = AirflowApi(endpoints["airflow"])
    return Scene(stack.home, stack.workspace(), airflow, endpoints["mlflow"], check=stack.running)


def _rest(airflow: AirflowApi) -> None:
    """Wait until no run is under way, and then until what the last ones started has ended."""
    until = time.monotonic() + QUIET_BOUND_S
    while airflow.get("/dags/~/dagRuns", state=["queued", "running"], limit=1)["total_entries"]:
        if time.monotonic() > until:
            raise StackError(f"Runs are still under way after {QUIET_BOUND_S:.0f} s.")
        time.sleep(1)
    time.sleep(REST_S)


def sample(stack: Stack) -> list[Held]:
    """The memory of every process of a stack now, the largest of each component first."""
    state = stack.running()
    found = []
    for component in components.NAMES:
        leader = state.components[component].leader
        for process in processes.members(stack.home.identity(), component, leader):
            with contextlib.suppress(psutil.Error):
                memory = process.memory_full_info()
                role = "main" if process.pid == leader.pid else "child"
                found.append(Held(component, role, memory.pss / 2**20, memory.uss / 2**20))
    return sorted(found, key=lambda held: (components.NAMES.index(held.component), -held.pss_mb))


def total(held: list[Held]) -> float:
    """The memory of the processes together."""
    return sum(one.pss_mb for one in held)


def median(taken: list[list[Held]]) -> list[Held]:
    """The sample whose sum is the median, the lower of two."""
    return sorted(taken, key=total)[(len(taken) - 1) // 2]


def figures(held: list[Held]) -> list[Figure]:
    """`stack_pss_mb`, and a figure for each component."""
    parts = {name: [one for one in held if one.component == name] for name in components.NAMES}
    return [
        Figure(name="stack_pss_mb", value=round(total(held)), unit="MB", goal=GOAL_MB),
        *(
            Figure(name=f"{name.replace('-', '_')}_pss_mb", value=round(total(part)), unit="MB")
            for name, part in parts.items()
        ),
    ]


def _report(held: list[Held], totals: list[float], has_minio: bool) -> None:
    table = Table(title="the stack's memory after a demo, at rest")
    for column in ("process", "PSS MB", "of it alone"):
        table.add_column(column, justify="right" if column != "process" else "left")
    for one in held:
        table.add_row(f"{one.component} ({one.role})", f"{one.pss_mb:.0f}", f"{one.uss_mb:.0f}")
    table.add_section()
    found = figures(held)
    for figure in found:
        goal = "" if figure.goal is None else f"goal {figure.goal:g}: {'met' if figure.met else 'missed'}"
        table.add_row(figure.name, f"{figure.value:.0f}", goal)
    console.print(table)
    parameters = {
        "store": "minio" if has_minio else "embedded",
        "samples_mb": [round(one) for one in totals],
        "processes": [f"{one.component} ({one.role}): {one.pss_mb:.0f} MB" for one in held],
    }
    write_figures(find_home(), "bench-memory", found, parameters)


if __name__ == "__main__":
    typer.run(main)
