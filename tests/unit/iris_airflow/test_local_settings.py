"""Which process forks the processes that run tasks, and what it shares with them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from iris_airflow.local_settings import forks_workers


@pytest.mark.unit
@pytest.mark.parametrize(
    ("command", "executor", "forks"),
    [
        ("airflow scheduler --skip-serve-logs", "LocalExecutor", True),
        ("airflow scheduler --skip-serve-logs", "CeleryExecutor", False),
        ("airflow scheduler", "KubernetesExecutor", False),
        ("airflow scheduler", "CeleryExecutor,LocalExecutor", True),
        ("airflow celery worker", "CeleryExecutor", True),
        ("airflow celery flower", "CeleryExecutor", False),
        ("airflow triggerer", "LocalExecutor", False),
        ("airflow api-server", "LocalExecutor", False),
    ],
)
def test_who_forks_workers(command: str, executor: str, forks: bool) -> None:
    assert forks_workers(command.split(), executor) is forks


FORK = """
import gc, os
from iris_airflow.local_settings import share_memory

def fork():
    held, told = os.pipe()
    if os.fork() == 0:
        os.write(told, str(gc.get_freeze_count()).encode())
        os._exit(0)
    os.wait()
    return int(os.read(held, 99))

own = gc.get_freeze_count()  # Python 3.12 has some from its start
share_memory()
before = gc.get_freeze_count() - own
first = fork()
gc.unfreeze()  # as LocalExecutor does
still = gc.get_freeze_count()
later = [[] for _ in range(100_000)]
# What is no longer used is freed, frozen or not: the numbers are only about the same.
print(before, first > 10_000, abs(still - first) < 1_000, abs(fork() - first) < 1_000)
"""


@pytest.mark.integration
def test_what_is_held_at_the_first_fork_stays_out_of_the_collectors_way() -> None:
    ran = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["0", "True", "True", "True"]


IMPORTED = """
import runpy, sys
files = sys.argv[1:]
sys.argv = ["airflow", "dag-processor"]
import iris_airflow.local_settings
iris_airflow.local_settings.apply()
ours = {name for name in sys.modules if name.startswith("iris_")}
heavy = {"pandas", "polars", "sklearn", "mlflow", "evidently", "boto3", "obstore"} & sys.modules.keys()
for path in files:
    runpy.run_path(path)
later = {name for name in sys.modules if name.startswith("iris_")} - ours
print(sorted(heavy), sorted(later))
"""


@pytest.mark.integration
def test_the_dag_processor_imports_before_it_forks_what_dag_files_import_and_nothing_heavy(
    tmp_path: Path,
) -> None:
    files = sorted(map(str, (Path(__file__).parents[3] / "dags").glob("*.py")))
    environ = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "VERDICT_WITHIN": "15m"}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *files], capture_output=True, text=True, env=environ
    )
    assert done.stdout.splitlines()[-1:] == ["[] []"], done.stderr
