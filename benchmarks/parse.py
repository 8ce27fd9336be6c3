"""`make bench-parse`: how long Airflow takes to parse our DAG files, beside a file with an empty DAG.

Once in a new Python that imports Airflow and reads one file, in turns; and once as Airflow's DAG processor
does it, in a fork of a process that has imported Airflow and, by our local settings, what our DAG files
import. The second times are what Airflow stores of each DAG (`last_parse_duration`). With `VERDICT_WITHIN`
every DAG is there.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.small_airflow import SmallAirflow
from devstack.environment import dag_folder
from devstack.figures import Figure, write_figures
from devstack.home import find_home
from devstack.interrupts import interruptible
from iris_core.errors import StackError
from iris_provider_minio.access import StoreAccess

console = Console()
GOAL = 1.15
LOCAL_SETTINGS = "import iris_airflow.local_settings\n\niris_airflow.local_settings.apply()\n"
READ = "import sys; from airflow.dag_processing.dagbag import DagBag; DagBag(sys.argv[1])"
EMPTY = "empty.py"
EMPTY_DAG = 'from airflow.sdk import DAG\n\nempty = DAG("empty", schedule=None)\n'
ONE_WITHIN_S = 10.0
FILES = 5
"""Files with DAGs: ours and the empty one."""
SETTINGS = {
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "0",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER": "logs",
    "VERDICT_WITHIN": "15m",
}
PARSED = (
    "SELECT fileloc, last_parsed_time, last_parse_duration FROM dag WHERE last_parse_duration IS NOT NULL"
)


@contextmanager
def airflow_with_files() -> Iterator[tuple[SmallAirflow, list[Path]]]:
    """An Airflow with our local settings, and its DAG files: ours, and one with an empty DAG."""
    with tempfile.TemporaryDirectory(prefix="iris-bench-parse-") as name:
        folder, dags = Path(name), Path(name) / "dags"
        shutil.copytree(dag_folder(), dags, ignore=shutil.ignore_patterns("__pycache__"))
        (dags / EMPTY).write_text(EMPTY_DAG, encoding="utf-8")
        (folder / "config").mkdir()
        (folder / "config" / "airflow_local_settings.py").write_text(LOCAL_SETTINGS, encoding="utf-8")
        nobody = StoreAccess("http://127.0.0.1:9", "nobody", "nothing")
        binary = Path(sys.executable).with_name("airflow")
        airflow = SmallAirflow(folder, binary, dags, nobody, SETTINGS)
        airflow.run("db", "migrate")
        try:
            yield airflow, sorted(dags.glob("*.py"))
        finally:
            airflow.close()


def in_a_new_python(airflow: SmallAirflow, files: list[Path], rounds: int) -> dict[str, float]:
    """The median of each file's time in seconds, from Python's start to its end."""
    taken: dict[str, list[float]] = {file.name: [] for file in files}
    with Progress(console=console, transient=True) as progress:
        for _ in progress.track(range(rounds), description="in a new Python"):
            for file in files:
                begun = time.perf_counter()
                airflow.python(READ, file)
                taken[file.name].append(time.perf_counter() - begun)
    return {name: median(seconds) for name, seconds in taken.items()}


def in_a_fork(airflow: SmallAirflow, rounds: int) -> dict[str, float]:
    """The median of each file's time in seconds, as Airflow's DAG processor stores it."""
    taken: dict[str, dict[str, float]] = defaultdict(dict)
    airflow.start("dag-processor")
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("in a fork of the DAG processor", total=rounds)
        until = time.monotonic() + ONE_WITHIN_S * rounds
        while (fewest := _fewest(taken)) < rounds:
            progress.update(task, completed=fewest)
            for path, parsed_at, seconds in airflow.query(PARSED):
                taken[Path(path).name][parsed_at] = seconds
            if time.monotonic() > until:
                raise StackError(f"The DAG processor stands still: {airflow.log('dag-processor')[-2000:]}")
            time.sleep(0.1)
    return {name: median(seconds.values()) for name, seconds in taken.items()}


def _fewest(taken: dict[str, dict[str, float]]) -> int:
    """How often the file was parsed that was parsed the least; 0 while a file is missing."""
    return min(map(len, taken.values())) if len(taken) >= FILES else 0


def main(rounds: Annotated[int, typer.Option(min=1, help="How often each file is parsed.")] = 20) -> None:
    """Measure, print a table, and write the figures; exits 0 when it measured, whatever it found."""
    with interruptible(), airflow_with_files() as (airflow, files):
        alone = in_a_new_python(airflow, files, rounds)
        forked = in_a_fork(airflow, rounds)
    table = Table("file", "in a new Python, s", f"beside {EMPTY}", "in a fork, s", f"beside {EMPTY}")
    for file in sorted(forked, key=lambda name: (name != EMPTY, name)):
        cells = [(f"{one[file]:.3f}", f"{one[file] / one[EMPTY]:.2f} x") for one in (alone, forked)]
        table.add_row(file, *(text for pair in cells for text in pair))
    console.print(table)
    figures = [
        Figure(name="parse_vs_empty", value=_worst(alone), unit="x", goal=GOAL),
        Figure(name="forked_parse_vs_empty", value=_worst(forked), unit="x"),
    ]
    for figure in figures:
        goal = "" if figure.goal is None else f", goal {figure.goal}: {'met' if figure.met else 'missed'}"
        console.print(f"{figure.name} {figure.value:.2f} x{goal}")
    seconds = {"in_a_new_python_s": alone, "in_a_fork_s": forked}
    write_figures(find_home(), "bench-parse", figures, {"rounds": rounds, **seconds})


def _worst(seconds: dict[str, float]) -> float:
    return round(max(seconds.values()) / seconds[EMPTY], 3)


if __name__ == "__main__":
    typer.run(main)
