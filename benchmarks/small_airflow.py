"""A small Airflow in a folder: a sqlite database, DAG files, and the components that a measurement asks for.

Stock Airflow: nothing of ours but what its environment has installed and its DAG files import.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from iris_provider_minio.access import StoreAccess

ENDS_WITHIN_S = 30


class SmallAirflow:
    """Airflow as commands of one environment.

    :param folder: becomes AIRFLOW_HOME.
    :param binary: the environment's `airflow`.
    :param dags: the folder with the DAG files.
    :param access: the store, for the connection `minio_default` of type `minio`.
    :param more: further variables.
    """

    def __init__(
        self,
        folder: Path,
        binary: Path,
        dags: Path,
        access: StoreAccess,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self._binary = binary
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        connection = {
            "conn_type": "minio",
            "login": access.access_key_id,
            "password": access.secret_access_key,
            "extra": {"endpoint_url": access.endpoint_url},
        }
        self._environ = {
            "PATH": f"{binary.parent}:{os.defpath}",
            "HOME": str(folder),
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW_CONN_MINIO_DEFAULT": json.dumps(connection),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db?timeout=60",
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(folder / "no-plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
            **(more or {}),
        }

    def run(self, *command: str) -> str:
        """Run a command of Airflow to its end; returns what it wrote.

        :raises subprocess.CalledProcessError: it failed.
        """
        return self._run(self._binary, *command)

    def python(self, code: str, *arguments: str | Path) -> str:
        """Run Python code to its end in the environment; returns what it wrote.

        :raises subprocess.CalledProcessError: it failed.
        """
        return self._run(self._binary.with_name("python"), "-c", code, *arguments)

    def _run(self, *command: str | Path) -> str:
        done = subprocess.run(
            list(map(str, command)),
            env=self._environ,
            cwd=self._folder,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def prepare(self) -> None:
        """Create the database, and read the DAG files into it."""
        self.run("db", "migrate")
        self.run("dags", "reserialize")

    def start(self, *component: str) -> None:
        """Start a component, such as `triggerer`, in a process group of its own."""
        log = (self._folder / f"{component[0]}.log").open("ab")
        self._running[component[0]] = subprocess.Popen(
            [str(self._binary), *component],
            env=self._environ,
            cwd=self._folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()

    def kill(self, component: str) -> None:
        """End a component and its children with SIGKILL."""
        process = self._running.pop(component)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(ENDS_WITHIN_S)

    def close(self) -> None:
        """End what runs."""
        for component in list(self._running):
            self.kill(component)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the database; other processes may write meanwhile."""
        address = f"file:{self._folder}/airflow.db?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=60)) as database:
            return database.execute(sql).fetchall()

    def events(self, asset: str) -> list[Any]:
        """The payload of each event of an asset, oldest first."""
        found = self.query(
            "SELECT e.extra FROM asset_event e JOIN asset a ON a.id = e.asset_id "
            f"WHERE a.name = '{asset}' ORDER BY e.id"
        )
        return [json.loads(extra)["payload"] for (extra,) in found]

    def log(self, component: str) -> str:
        """What a component wrote."""
        return (self._folder / f"{component}.log").read_text(encoding="utf-8", errors="replace")
