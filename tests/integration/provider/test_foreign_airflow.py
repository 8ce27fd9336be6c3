"""The wheel where nothing else of ours is: Airflow shows the provider, a foreign DAG starts on a PUT."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import iris_provider_minio
from benchmarks.small_airflow import SmallAirflow
from iris_core.store.objects import ObjectStore, StoreAccess

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
EXAMPLE = Path(iris_provider_minio.__file__).parent / "example_dags" / "start_on_put.py"
WITHIN_S = 240


def uv(*arguments: str | Path) -> None:
    command = [shutil.which("uv") or Path(sys.executable).with_name("uv"), *arguments]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment: the wheel, and of the locked packages what it asks for."""
    folder = tmp_path_factory.mktemp("foreign")
    uv("build", "--quiet", "--wheel", "--out-dir", folder / "dist", ROOT / "provider")
    [wheel] = (folder / "dist").glob("*.whl")
    uv("venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv" / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "requirements.lock", wheel)
    return folder / "venv"


@pytest.fixture
def airflow(environment: Path, store_access: StoreAccess, tmp_path: Path) -> Iterator[SmallAirflow]:
    (tmp_path / "dags").mkdir()
    shutil.copy(EXAMPLE, tmp_path / "dags")
    made = SmallAirflow(tmp_path, environment / "bin" / "airflow", tmp_path / "dags", store_access)
    yield made
    made.close()


def until(reached: Callable[[], bool], airflow: SmallAirflow) -> None:
    end = time.monotonic() + WITHIN_S
    while not reached():
        assert time.monotonic() < end, airflow.log("triggerer")[-3000:]
        time.sleep(0.5)


def test_nothing_else_of_ours_is_installed(environment: Path) -> None:
    [packages] = environment.glob("lib/python*/site-packages")
    ours = {path.name for path in packages.glob("iris_*") if "dist-info" not in path.name}
    assert ours == {"iris_provider_minio"}
    for heavy in ("mlflow", "evidently", "polars", "obstore", "sklearn"):
        assert not (packages / heavy).exists()


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 15


def test_the_page_shows_the_example() -> None:
    code = EXAMPLE.read_text(encoding="utf-8").split("\n\n", 1)[1]
    assert code in (ROOT / "docs" / "provider.md").read_text(encoding="utf-8")


def test_airflow_shows_the_provider_and_its_dag_starts_on_a_put(
    airflow: SmallAirflow, store_access: StoreAccess
) -> None:
    """Scheduler and triggerer run; the run that the scheduler made is what is asked for, not its task."""
    store = ObjectStore(store_access)
    store.ensure_bucket("landing", versioned=True)
    airflow.prepare()
    shown = airflow.run("providers", "get", "iris-airflow-provider-minio")
    assert iris_provider_minio.__version__ in shown
    assert "minio" in airflow.run("providers", "hooks", "--output", "plain")
    airflow.start("triggerer", "--skip-serve-logs")
    airflow.start("scheduler", "--skip-serve-logs")
    runs = "SELECT run_type FROM dag_run WHERE dag_id = 'start_on_put'"
    landed = store.put("landing", f"{os.getpid()}.csv", b"1", "text/csv")
    store.put("landing", "another.txt", b"1", "text/plain")
    until(lambda: bool(airflow.query(runs)), airflow)
    assert airflow.query(runs)[0] == ("asset_triggered",)
    uris = [told["uri"] for payload in airflow.events("landing") for told in payload["objects"]]
    assert uris == [landed.uri]


MESSAGING = "apache-airflow-providers-common-messaging==2.1.2"
QUEUE = """
import json, sys
from airflow.providers.common.messaging.triggers.msg_queue import MessageQueueTrigger
print(json.dumps(MessageQueueTrigger(scheme="minio", bucket="landing", suffix=".csv").serialize()))
"""


def test_it_is_a_message_queue_where_airflow_knows_queues(environment: Path, tmp_path: Path) -> None:
    """The last one: it installs another provider."""
    python = environment / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", python, "--constraint", ROOT / "requirements.lock", MESSAGING)
    home = {"AIRFLOW_HOME": str(tmp_path), "PATH": os.defpath, "HOME": str(tmp_path)}
    asked = subprocess.run([python, "-c", QUEUE], env=home, capture_output=True, text=True, cwd=tmp_path)
    assert asked.returncode == 0, asked.stderr[-2000:]
    path, arguments = json.loads(asked.stdout.splitlines()[-1])
    assert path == "iris_provider_minio.triggers.minio.MinioObjectTrigger"
    assert (arguments["bucket"], arguments["suffix"]) == ("landing", ".csv")
