"""A real MinIO for a test, on loopback; the test is skipped where there is none."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3
from minio import Minio
from minio.error import MinioException

KEY, SECRET = "iristest", "iristest-secret"
MISSING = "no real MinIO: MINIO_BIN is not set and there is no `minio` on PATH"


def minio_binary() -> str:
    """The server's binary; without one the test is skipped."""
    binary = os.environ.get("MINIO_BIN") or shutil.which("minio")
    if not binary:
        pytest.skip(MISSING)
    return binary


@contextmanager
def real_minio(
    data: Path, root: tuple[str, str] = (KEY, SECRET), more: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A server with its data in a folder; yields its address.

    :param data: the folder.
    :param root: name and secret of its root user.
    :param more: further variables of its environment.
    """
    binary = minio_binary()
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    command = [binary, "server", "--address", addresses[0], "--console-address", addresses[1], str(data)]
    environ = {
        "HOME": str(data),
        "MINIO_ROOT_USER": root[0],
        "MINIO_ROOT_PASSWORD": root[1],
        "MINIO_UPDATE": "off",
        **(more or {}),
    }
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _serves(addresses[0], root), 60)
        yield f"http://{addresses[0]}"
    finally:
        process.kill()
        process.wait()


def _serves(address: str, root: tuple[str, str]) -> bool:
    """Whether it answers a request; one that says it is ready may still answer 503 on a busy machine."""
    client = Minio(address, *root, secure=False, http_client=urllib3.PoolManager(retries=False))
    try:
        client.list_buckets()
    except (MinioException, urllib3.exceptions.HTTPError):
        return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
