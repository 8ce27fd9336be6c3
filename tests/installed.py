"""An interpreter in which nothing is installed but what a test names: no import is pretended to fail."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

PROVIDER = Path(__file__).parents[1] / "provider" / "iris_provider_minio"
Iris = Callable[..., subprocess.CompletedProcess[str]]


def iris_with(folder: Path, ours: list[Path], without: tuple[str, ...] = ()) -> Iris:
    """`iris` where this environment's packages are installed, and of our own code what is given.

    :param folder: becomes the site-packages and the working directory.
    :param ours: packages and distributions of ours; the provider is there always.
    :param without: names of packages that are left out.
    """
    site = folder / "site"
    site.mkdir()
    left_out = {"iris_core", "iris_mlops_pipelines", *without}
    for path in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if path.name.split(".")[0].split("-")[0] not in left_out and path.suffix != ".pth":
            (site / path.name).symlink_to(path)
    for path in (*ours, PROVIDER):
        (site / path.name).symlink_to(path)
    environ = {"PATH": os.defpath, "PYTHONPATH": str(site), "COLUMNS": "200", "HOME": str(folder)}

    def iris(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        # -S: without the site-packages of this environment.
        command = [sys.executable, "-S", "-P", "-c", "from iris_core.cli import app; app()", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=folder, env=environ | variables
        )

    return iris
