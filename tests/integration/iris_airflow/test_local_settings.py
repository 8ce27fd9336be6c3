"""The file that Airflow imports in each of its processes, run as they do, and what a task imports then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
FILE = ROOT / "config" / "airflow_local_settings.py"
RUN = """
import runpy, sys
from airflow.jobs import triggerer_job_runner
file, *sys.argv = sys.argv[1:]
runpy.run_path(file)
print("polars" in sys.modules, triggerer_job_runner.TriggerRunner.__name__)
"""


@pytest.mark.parametrize(
    ("process", "done"),
    [
        ("scheduler", "True TriggerRunner"),
        ("triggerer", "False PromptTriggerRunner"),
        ("api-server", "False TriggerRunner"),
    ],
)
def test_each_process_does_what_it_needs(process: str, done: str, tmp_path: Path) -> None:
    environ = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__EXECUTOR": "LocalExecutor"}
    command = [sys.executable, "-c", RUN, str(FILE), "airflow", process]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == done


PARSE = """
import sys
from airflow.dag_processing.dagbag import DagBag
import iris_airflow.preload
known = {*sys.modules}
bag = DagBag(sys.argv[1])
print(len(bag.dags), *sorted(name for name in sys.modules.keys() - known if name.startswith(PARTS)))
""".replace("PARTS", repr(("airflow.sdk", "airflow.providers", "iris_", "jinja2")))


def test_a_dag_file_imports_nothing_that_is_not_preloaded(tmp_path: Path) -> None:
    environ = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [sys.executable, "-c", PARSE, str(ROOT / "dags")]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "3"


SEARCH = """
import sys
from importlib import import_module
from iris_airflow.preload import KEPT
searched = []
sys.addaudithook(lambda event, about: searched.append((event, about)) if event in EVENTS else None)
for kept in KEPT:
    module, function = kept.split(":")
    getattr(import_module(module), function)()
print(searched)
""".replace("EVENTS", repr(("open", "os.listdir", "os.scandir", "subprocess.Popen")))


def test_what_is_installed_is_searched_before_the_fork(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SEARCH]
    environ = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "[]"
