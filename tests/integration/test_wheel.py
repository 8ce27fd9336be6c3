"""The wheel: whole, it brings the local stack; as the image builds it, it does not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.installed import iris_with

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
FILES = ("pyproject.toml", "README.md", "LICENSE", "project.json")
WHOLE = (*FILES, "projects", "iris_core", "plugins", "deploy", "devstack")


def copied_by_the_image() -> tuple[str, ...]:
    """What the Dockerfile's builder copies."""
    builder = (ROOT / "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")[1]
    return tuple(
        path for line in re.findall(r"^COPY (.+) \S+$", builder, re.MULTILINE) for path in line.split()
    )


def unpacked(sources: tuple[str, ...], folder: Path) -> list[Path]:
    """What a wheel built from these sources installs."""
    checkout, installed = folder / "checkout", folder / "installed"
    checkout.mkdir()
    for name in sources:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, checkout / name)
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    return sorted(installed.iterdir())


def test_the_whole_wheel_runs_the_local_stack_where_the_dags_are(tmp_path: Path) -> None:
    paths = unpacked(WHOLE, tmp_path)
    packages = [path.name for path in paths if not path.name.endswith(".dist-info")]
    assert packages == ["deploy", "devstack", "iris_airflow", "iris_core"]
    (tmp_path / "here").mkdir()
    iris = iris_with(tmp_path / "here", paths)
    told = iris("status")
    assert (told.returncode, "Start it with: iris up" in told.stderr) == (3, True)
    for command in ("up", "demo"):
        refused = iris(command)
        assert refused.returncode == 1
        assert f"There is no DAG in {tmp_path / 'here' / 'dags'}" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_the_images_wheel_has_no_local_stack(tmp_path: Path) -> None:
    paths = unpacked(copied_by_the_image(), tmp_path)
    packages = [path.name for path in paths if not path.name.endswith(".dist-info")]
    assert packages == ["iris_airflow", "iris_core"]
    (tmp_path / "here").mkdir()
    refused = iris_with(tmp_path / "here", paths)("up")
    assert refused.returncode == 1
    assert "iris up needs devstack, which this installation does not have" in refused.stderr
