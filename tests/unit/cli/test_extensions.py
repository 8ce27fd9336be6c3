"""`iris` in an interpreter that lacks the local stack, or a package of its extra: it says what to install."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
COMMANDS = ("demo", "down", "reset", "status", "up")

Iris = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def installed(tmp_path: Path) -> Callable[..., Iris]:
    """`installed("iris_core", without=("moto",))`: `iris` where nothing but that is installed."""
    site = tmp_path / "site"
    site.mkdir()

    def install(*ours: str, without: tuple[str, ...] = ()) -> Iris:
        for path in Path(sysconfig.get_paths()["purelib"]).iterdir():
            name = path.name.split(".")[0].split("-")[0]
            if name not in ("iris_core", *without) and path.suffix != ".pth":
                (site / path.name).symlink_to(path)
        for package in ours:
            (site / package).symlink_to(ROOT / package)
        (site / "project.json").symlink_to(ROOT / "project.json")
        environ = {"PATH": os.defpath, "PYTHONPATH": str(site), "COLUMNS": "200", "HOME": str(tmp_path)}

        def iris(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
            # -S: without the site-packages of this environment.
            command = [sys.executable, "-S", "-P", "-c", "from iris_core.cli import app; app()", *arguments]
            return subprocess.run(
                command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environ | variables
            )

        return iris

    return install


@pytest.mark.parametrize(
    ("ours", "without", "lacking"),
    [
        (("iris_core",), (), "devstack"),
        (("iris_core", "devstack"), ("moto",), "moto"),
        (("iris_core", "devstack"), ("psutil",), "psutil"),
    ],
)
def test_a_command_that_cannot_run_says_what_to_install(
    ours: tuple[str, ...], without: tuple[str, ...], lacking: str, installed: Callable[..., Iris]
) -> None:
    iris = installed(*ours, without=without)
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


def test_the_other_commands_need_no_local_stack(installed: Callable[..., Iris]) -> None:
    iris = installed("iris_core")
    refused = iris("ledger")
    assert refused.returncode == 1
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set" in refused.stderr
    asked = iris(
        "ledger",
        AWS_ACCESS_KEY_ID="iris",
        AWS_SECRET_ACCESS_KEY="secret",
        MLFLOW_S3_ENDPOINT_URL="http://127.0.0.1:9",
    )
    assert "http://127.0.0.1:9" in asked.stderr


def test_with_everything_they_run(installed: Callable[..., Iris]) -> None:
    iris = installed("iris_core", "devstack", "deploy")
    told = iris("status")
    assert told.returncode == 3
    assert "Start it with: iris up" in told.stderr
