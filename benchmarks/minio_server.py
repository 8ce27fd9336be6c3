"""A real MinIO that can be killed and comes back with its data, at the same address."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
from pathlib import Path

import urllib3

READY_WITHIN_S = 60.0


class MinioServer:
    """`with MinioServer(folder, binary) as server`: a server on loopback.

    :param folder: for its data.
    :param binary: the program `minio`.
    """

    def __init__(self, folder: Path, binary: str) -> None:
        self.key, self.secret = "iris", secrets.token_urlsafe(16)
        self.address = f"127.0.0.1:{_free_port()}"
        self._folder, self._binary = folder, binary

    @property
    def url(self) -> str:
        """The address with its scheme."""
        return f"http://{self.address}"

    def __enter__(self) -> MinioServer:
        self._start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def restart(self) -> None:
        """Kill it, and start it again."""
        self._end()
        self._start()

    def _start(self) -> None:
        environ = {"MINIO_ROOT_USER": self.key, "MINIO_ROOT_PASSWORD": self.secret, "MINIO_UPDATE": "off"}
        self._process = subprocess.Popen(
            [self._binary, "server", "--quiet", "--address", self.address, str(self._folder)],
            env={"HOME": str(self._folder), **environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + READY_WITHIN_S
        while not self._is_ready():
            if time.monotonic() > end:
                raise TimeoutError(f"MinIO was not ready within {READY_WITHIN_S:.0f} s.")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            asked = urllib3.request("GET", f"{self.url}/minio/health/ready", retries=False, timeout=1.0)
        except urllib3.exceptions.HTTPError:
            return False
        return asked.status == 200

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
