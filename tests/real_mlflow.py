"""A real MLflow server for a test, on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.real_minio import free_port

WITHIN_S = 200


@contextmanager
def real_mlflow(folder: Path, command: Sequence[str], environ: Mapping[str, str]) -> Iterator[str]:
    """A server with its artifacts and its log in a folder; yields its address.

    :param folder: the folder.
    :param command: starts it; host, port, workers and artifacts are added.
    :param environ: its environment, besides PATH and HOME.
    """
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    options = [
        "--host=127.0.0.1",
        f"--port={port}",
        "--workers=1",
        f"--artifacts-destination={folder}/artifacts",
    ]
    own = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, *options],
            env=own | dict(environ),
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + WITHIN_S
        while not answers(address):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.5)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def answers(address: str) -> bool:
    """Whether the server says that it is well; it tells everybody."""
    try:
        return httpx.get(f"{address}/health", trust_env=False).is_success
    except httpx.HTTPError:
        return False
