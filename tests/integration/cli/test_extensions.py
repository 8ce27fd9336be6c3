"""`iris` in an interpreter that lacks the local stack, or a package of its extra: it says what to install."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.installed import iris_with

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
COMMANDS = ("demo", "down", "reset", "up")


def ours(*packages: str) -> list[Path]:
    """Packages of this checkout, with its distribution's entry points."""
    entry_points = next(
        file for file in distribution("iris-mlops-pipelines").files or () if file.name == "METADATA"
    )
    metadata = Path(str(entry_points.locate())).parent
    return [metadata, ROOT / "project.json", *(ROOT / package for package in packages)]


@pytest.mark.parametrize(
    ("packages", "without", "lacking"),
    [
        (("iris_core",), (), "devstack"),
        (("iris_core", "devstack"), ("moto",), "moto"),
        (("iris_core", "devstack"), ("psutil",), "psutil"),
    ],
)
def test_a_command_that_cannot_run_says_what_to_install(
    packages: tuple[str, ...], without: tuple[str, ...], lacking: str, tmp_path: Path
) -> None:
    iris = iris_with(tmp_path, ours(*packages), without)
    told = iris("--help")
    assert told.returncode == 0
    for command in COMMANDS:
        [line] = [line for line in told.stdout.splitlines() if line.startswith(f"│ {command} ")]
        assert "pip install 'iris-mlops-pipelines[local]'" in line
    refused = iris("demo", "--json")
    assert refused.returncode == 1
    assert f"error iris demo needs {lacking}" in refused.stderr
    assert "pip install 'iris-mlops-pipelines[local]'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_other_commands_need_no_local_stack(tmp_path: Path) -> None:
    iris = iris_with(tmp_path, ours("iris_core"))
    refused = iris("ledger")
    assert refused.returncode == 1
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set" in refused.stderr
    named = {"AWS_ACCESS_KEY_ID": "iris", "AWS_SECRET_ACCESS_KEY": "secret-of-iris"}
    for command in ("ledger", "status"):
        asked = iris(command, MLFLOW_S3_ENDPOINT_URL="http://127.0.0.1:9", **named)
        assert asked.returncode == 1
        assert "http://127.0.0.1:9" in asked.stderr


def test_with_everything_they_run(tmp_path: Path) -> None:
    told = iris_with(tmp_path, ours("iris_core", "deploy", "devstack"))("status")
    assert told.returncode == 3
    assert "Start it with: iris up" in told.stderr
