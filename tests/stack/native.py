"""docker-compose.yml's services as processes of this machine: `docker compose up` without containers.

Commands, environments, health checks and their order are the file's own. Changed is only what a container
would have given: addresses and ports become free ones of 127.0.0.1, paths become folders, and Postgres and
MinIO are started as the entrypoints of their images do.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from devstack import processes
from devstack.logs import tail
from devstack.ports import CHOSEN_FROM, LOOPBACK, is_free
from tests.stack import images
from tests.stack.compose_file import Service

ROOT = Path(__file__).parents[2]
LISTENING = {
    "minio": (9000, 9001),
    "postgres": (5432,),
    "redis": (6379,),
    "mlflow": (5000,),
    "airflow-api-server": (8080,),
    "airflow-scheduler": (8974,),
}
"""Every port that a container listens on."""

STARTED_WITHIN_S = 300.0
CHECK_TIMEOUT_S = 20.0


def free_ports() -> dict[tuple[str, int], int]:
    """A free port of this machine for each that a container listens on."""
    wanted = [(name, port) for name, ports in LISTENING.items() for port in ports]
    start = CHOSEN_FROM.start + os.getpid() % 4000
    free = (port for port in range(start, CHOSEN_FROM.stop) if is_free(port))
    return {key: next(free) for key in wanted}


@dataclass
class Replica:
    """One container's process."""

    service: Service
    name: str
    process: processes.ProcessRef
    next_check: float = 0.0
    healthy_after_s: float | None = None


@dataclass
class Native:
    """The services below one folder; `up` and `down` as compose's."""

    services: Mapping[str, Service]
    folder: Path
    ports: Mapping[tuple[str, int], int]
    identity: str = field(default_factory=lambda: os.urandom(8).hex())
    replicas: dict[str, Replica] = field(default_factory=dict)
    completed: set[str] = field(default_factory=set)

    def up(self) -> None:
        """Start each service once what it waits for is healthy or has completed, until all are.

        :raises Failed: one ended or was not healthy in time.
        """
        for folder in ("airflow/logs", "data/minio"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        self._copy_what_the_image_has()
        waiting = dict(self.services)
        began = time.monotonic()
        while waiting or not all(self._is_ready(name) for name in self.services):
            for name, service in list(waiting.items()):
                if all(self._satisfied(other, state) for other, state in service.waits.items()):
                    self._start(waiting.pop(name))
            for replica in list(self.replicas.values()):
                self._look_at(replica, time.monotonic() - began)
            time.sleep(0.1)

    def down(self) -> None:
        """End every process, those too that overwrote their environment with a title (Redis, Postgres)."""
        found = {one.pid: one for one in processes.members(self.identity)}
        for replica in self.replicas.values():
            found |= {one.pid: one for one in processes.members(self.identity, None, replica.process)}
        processes.end(found.values(), 6.0)

    def log(self, replica: str) -> Path:
        """What a container would have written to its log."""
        return self.folder / "container-logs" / f"{replica}.log"

    def check(self, replica: Replica, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a container's health check, as Docker would in the container."""
        command = self._localised(replica.service, replica.service.healthcheck)
        if command[0] == "redis-cli":
            command[1:1] = ["-h", LOOPBACK, "-p", str(self.ports["redis", 6379])]
        return subprocess.run(
            command,
            env={**self._environ(replica.service, replica.name), **environ},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CHECK_TIMEOUT_S,
            check=False,
        )

    def run_once(self, name: str) -> None:
        """Run a one-shot service again, to its end.

        :raises Failed: its exit code is not 0.
        """
        service = self.services[name]
        images.run(self._localised(service, service.command), self._environ(service, name))

    def pointing_nowhere(self) -> Native:
        """The same services at ports where nothing listens: every health check must fail."""
        return replace(self, ports=dict.fromkeys(self.ports, 1))

    def memory_mb(self, replica: Replica) -> int:
        """What a container's processes occupy together, shared pages counted once."""
        found = processes.members(self.identity, replica.name, replica.process)
        return sum(process.memory_full_info().pss for process in found) >> 20

    def _satisfied(self, name: str, state: str) -> bool:
        return name in self.completed if state == "completed" else self._is_ready(name)

    def _is_ready(self, name: str) -> bool:
        if name in self.completed:
            return True
        replicas = [replica for replica in self.replicas.values() if replica.service.name == name]
        return bool(replicas) and all(replica.healthy_after_s is not None for replica in replicas)

    def _look_at(self, replica: Replica, seconds: float) -> None:
        name, service = replica.name, replica.service
        code = processes.exit_code(replica.process)
        if code is not None:
            if code or service.healthcheck:
                raise images.Failed(self._told(replica, f"ended with exit code {code}"))
            self.completed.add(service.name)
            del self.replicas[name]
        elif (
            replica.healthy_after_s is None and service.healthcheck and time.monotonic() > replica.next_check
        ):
            answer = self.check(replica)
            replica.next_check = time.monotonic() + 1.5
            if answer.returncode == 0:
                replica.healthy_after_s = round(seconds, 1)
            elif seconds > STARTED_WITHIN_S:
                raise images.Failed(self._told(replica, f"is not healthy: {answer.stdout}{answer.stderr}"))

    def _told(self, replica: Replica, how: str) -> str:
        lines = "\n".join(tail(self.log(replica.name), 30))
        return f"{replica.name} {how}\n{lines}"

    def _start(self, service: Service) -> None:
        for number in range(1, service.replicas + 1):
            name = f"{service.name}-{number}" if service.replicas > 1 else service.name
            process = processes.start(
                self._command(service), self._environ(service, name), self.log(name), self.folder
            )
            self.replicas[name] = Replica(service, name, process)

    def _command(self, service: Service) -> list[str]:
        command = self._localised(service, service.command)
        if service.name == "postgres":
            scripts = [self._file(target) for target in service.files]
            environ = self._environ(service, service.name)
            return images.postgres(self.folder / "postgres", environ, scripts, self.ports["postgres", 5432])
        if service.name == "redis":
            return [*command, "--port", str(self.ports["redis", 6379]), "--bind", LOOPBACK]
        if service.name == "minio":
            users = self.services["minio-init"].environ
            return images.minio(command, service.user, self._minio_data, users, self.ports["minio", 9000])
        if service.name == "minio-volume":
            # Only root gives files away, and only its MinIO becomes another user.
            own = os.geteuid() == 0
            return [re.sub(r"/data\b", str(self._minio_data), word) for word in command] if own else ["true"]
        return command

    @property
    def _minio_data(self) -> Path:
        return self.folder / "data" / "minio"

    def _localised(self, service: Service, words: Sequence[str]) -> list[str]:
        return [self._local(service, word) for word in words]

    def _local(self, service: Service, text: str) -> str:
        """A text of the compose file with this machine's addresses and folders."""
        text = self._with_addresses(text)
        for (name, port), actual in self.ports.items():
            if name == service.name:
                text = re.sub(rf"(?<=127\.0\.0\.1):{port}\b", f":{actual}", text)
                text = re.sub(rf"^:{port}\b", f"{LOOPBACK}:{actual}", text)
                text = re.sub(rf"(?<=--port=){port}\b", str(actual), text)
        for target in service.files:
            text = text.replace(target, str(self._file(target)))
        return text.replace("0.0.0.0", LOOPBACK).replace("/opt/airflow", str(self.folder / "airflow"))

    def _with_addresses(self, text: str) -> str:
        for (name, port), actual in self.ports.items():
            text = re.sub(rf"\b{name}:{port}\b", f"{LOOPBACK}:{actual}", text)
        return text

    def _file(self, target: str) -> Path:
        """A config, where this machine has it."""
        path = self.folder / "configs" / target.lstrip("/").replace("/", "-")
        if not path.exists():
            service = next(one for one in self.services.values() if target in one.files)
            path.parent.mkdir(exist_ok=True)
            data = str(self.folder / "data")
            text = re.sub(r"(?<= )/data\b", data, service.files[target])
            path.write_text(self._with_addresses(text), encoding="utf-8")
        return path

    def _environ(self, service: Service, replica: str) -> dict[str, str]:
        environ = {name: self._local(service, value) for name, value in service.environ.items()}
        return (
            self._surroundings
            | environ
            | self._settings(service)
            | {
                "HOSTNAME": replica,
                processes.STACK_MARK: self.identity,
                processes.COMPONENT_MARK: replica,
            }
        )

    def _settings(self, service: Service) -> dict[str, str]:
        """What makes a program listen where its container would have."""
        found = {"PGPORT": str(self.ports["postgres", 5432])}
        if service.name == "airflow-api-server":
            found["AIRFLOW__API__HOST"] = LOOPBACK
            found["AIRFLOW__API__PORT"] = str(self.ports["airflow-api-server", 8080])
        if service.name == "airflow-scheduler":
            prefix = "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER"
            found |= {
                f"{prefix}_HOST": LOOPBACK,
                f"{prefix}_PORT": str(self.ports["airflow-scheduler", 8974]),
            }
        return found

    @cached_property
    def _surroundings(self) -> dict[str, str]:
        """What the images set; nothing of the caller's environment."""
        path = [Path(sys.executable).parent, images.postgres_folder(), os.environ.get("PATH", os.defpath)]
        return {
            "PATH": os.pathsep.join(map(str, path)),
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": f"{LOOPBACK},localhost",
            # A process title must not overwrite the environment, by which our processes are found again.
            "SPT_NOENV": "1",
        }

    def _copy_what_the_image_has(self) -> None:
        """The Dockerfile's last stage, as far as it copies into /opt/airflow."""
        text = (ROOT / "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")[-1]
        copied = re.findall(r"^COPY (\S+) /opt/airflow/(\S+)$", text, re.MULTILINE)
        assert {"dags", "config/airflow_local_settings.py"} <= {source for source, _ in copied}
        for source, target in copied:
            there = self.folder / "airflow" / target
            folder = there if target.endswith("/") else there.parent
            folder.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, there, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                for file in ROOT.glob(source):
                    shutil.copy(file, there)
