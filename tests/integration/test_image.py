"""The Dockerfile's instructions, as far as they can be run without containers."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def make_last_stage(airflow: Path) -> None:
    """Run what the last stage copies and runs, with `/opt/airflow` at another place.

    The folders are the user's before, as in the base image, and a umask of 002 made the checkout.
    """
    for folder in ("config", "dags", "logs", "plugins"):
        (airflow / folder).mkdir(parents=True)
    for path in (airflow, *airflow.iterdir()):
        os.chown(path, 50000, 0)
        path.chmod(0o775)
    stage = read("Dockerfile").split("\nFROM ")[-1].replace("\\\n", "")
    for word, rest in re.findall(r"^(COPY|RUN) (?!--from)(.+)$", stage, re.MULTILINE):
        command = rest.replace("/opt/airflow", str(airflow))
        if word == "COPY":
            source, target = command.split()
            copied = f"{source}/." if (ROOT / source).is_dir() else source
            command = f"mkdir -p {target.rpartition('/')[0]}; cp -R {copied} {target}; chmod -R g+w {target}"
        subprocess.run(["sh", "-ec", command], cwd=ROOT, check=True)


def refused_to_task(command: str) -> bool:
    """Whether the user of the image's tasks, who is in root's group, may not do this."""
    as_task = ["setpriv", "--reuid=50000", "--regid=0", "--clear-groups", "--inh-caps=-all", "--"]
    done = subprocess.run(
        [*as_task, *shlex.split(command)], capture_output=True, text=True, check=False, cwd="/"
    )
    return done.returncode != 0


def test_what_it_compiles_can_be_imported() -> None:
    text = read("Dockerfile").replace("\\\n", "")
    [imported] = re.findall(r'-c "import ([^"]+)"', text)
    modules = [name.strip() for name in imported.split(",")]
    assert len(modules) > 10
    assert [name for name in modules if not find_spec(name)] == []


@pytest.fixture
def airflow_folder() -> Iterator[Path]:
    """Where other users can reach it; pytest's own folders are closed to them."""
    with tempfile.TemporaryDirectory(prefix="iris-image-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "airflow"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users: root only")
def test_a_task_changes_neither_dags_nor_plugins(airflow_folder: Path) -> None:
    """The last stage's instructions, run below a folder that is laid out as the base image's."""
    there = airflow_folder
    make_last_stage(there)
    assert refused_to_task(f"touch {there}/dags/mine.py")
    assert refused_to_task(f"sh -c 'echo >> {there}/dags/iris_pipeline.py'")
    assert refused_to_task(f"rm -f {there}/dags/iris_pipeline.py")
    assert refused_to_task(f"mv {there}/dags {there}/elsewhere")
    assert refused_to_task(f"touch {there}/plugins/mine.py")
    assert refused_to_task(f"touch {there}/config/airflow_local_settings.py")
    assert refused_to_task(f"touch {there}/deploy/minio_init.py")
    assert not refused_to_task(f"touch {there}/airflow.cfg {there}/logs/task.log")
    assert not refused_to_task(f"cat {there}/dags/iris_pipeline.py {there}/deploy/minio_init.py")
