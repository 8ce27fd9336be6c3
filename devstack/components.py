"""The components of the local stack: how each is started, and when it counts as healthy."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from devstack.environment import url_of
from devstack.health import airflow_job_beats, answers
from devstack.home import Home
from devstack.ports import LOOPBACK
from devstack.variables import StackVariables
from iris_core.errors import StackError
from iris_core.settings.declared import given
from iris_core.settings.places import ARTIFACT_BUCKET

STORE = "store"
MLFLOW = "mlflow"
MIGRATION = "airflow-db"
API_SERVER = "api-server"
SCHEDULER = "scheduler"
TRIGGERER = "triggerer"
DAG_PROCESSOR = "dag-processor"

RUNNERS = (SCHEDULER, TRIGGERER, DAG_PROCESSOR, MIGRATION)
"""The components that run tasks, triggers and DAG files; they end before the servers that they report to."""

SERVERS = (STORE, MLFLOW, API_SERVER)

NAMES = (*SERVERS, SCHEDULER, DAG_PROCESSOR, TRIGGERER)
"""Every long-running component."""

MLFLOW_OPTIONS = "--worker-class gthread --threads 8 --keep-alive 75 --no-control-socket"
"""Options of gunicorn: through MLflow's default, uvicorn, a small request takes half as long again."""

Probe = Callable[[datetime], bool]


@dataclass(frozen=True)
class Component:
    """One process. `healthy` is called with the process's start until it is true, at most `bound_s` seconds.

    A `once` component is healthy when it has exited with 0. `after` names components that must be healthy
    before this one starts. A component that is not `needed` is left out.
    """

    name: str
    command: tuple[str, ...]
    bound_s: float
    healthy: Probe = lambda _: True
    environ: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    once: bool = False
    when_healthy: Callable[[], None] | None = None
    needed: bool = True


def describe_stack(
    home: Home, ports: Mapping[str, int], environ: Mapping[str, str], prepare_store: Callable[[], None]
) -> list[Component]:
    """Every component, in the order in which they are started.

    :param home: the stack's folder.
    :param ports: the port of each server.
    :param environ: the environment, with credentials and `MINIO_BIN`.
    :param prepare_store: called once the object store answers.
    :raises StackError: a tool is missing; the message says how to get it.
    """
    _require("airflow", "mlflow")
    airflow = url_of(ports["airflow"])
    return [
        _store(home, ports, environ, prepare_store),
        _migration(home),
        _mlflow(home, ports),
        _airflow(API_SERVER, lambda _: _serves_tasks(airflow)),
        _airflow(SCHEDULER, partial(airflow_job_beats, airflow, "scheduler"), "--skip-serve-logs"),
        _airflow(DAG_PROCESSOR, partial(airflow_job_beats, airflow, "dag_processor")),
        _airflow(TRIGGERER, partial(airflow_job_beats, airflow, "triggerer"), "--skip-serve-logs"),
    ]


def minio_binary(environ: Mapping[str, str]) -> str | None:
    """The binary of a real MinIO: `$MINIO_BIN`, else `minio` on the PATH; None if there is none.

    :raises StackError: the file that `MINIO_BIN` names cannot be run.
    """
    named = given(StackVariables, environ).get("MINIO_BIN")
    if not named:
        return shutil.which("minio", path=environ.get("PATH"))
    found = shutil.which(named, path=environ.get("PATH"))
    if not found:
        raise StackError(
            f"store: MINIO_BIN={named} cannot be run. "
            "Name MinIO's binary, or unset MINIO_BIN for the embedded store."
        )
    return found


def _store(
    home: Home, ports: Mapping[str, int], environ: Mapping[str, str], prepare: Callable[[], None]
) -> Component:
    binary = minio_binary(environ)
    if not binary:
        _require("moto")
    alive = f"{url_of(ports['store'])}/minio/health/live"
    return Component(
        name=STORE,
        command=_minio(binary, home, ports) if binary else _embedded(home, ports),
        environ=_minio_environ(environ) if binary else {},
        bound_s=60,
        healthy=lambda _: answers(alive),
        when_healthy=prepare,
    )


def _minio(binary: str, home: Home, ports: Mapping[str, int]) -> tuple[str, ...]:
    listen = ("--address", f"{LOOPBACK}:{ports['store']}")
    console = ("--console-address", f"{LOOPBACK}:{ports['store-console']}")
    return (binary, "server", *listen, *console, str(home.store / "minio"))


def _minio_environ(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        "MINIO_ROOT_USER": environ["AWS_ACCESS_KEY_ID"],
        "MINIO_ROOT_PASSWORD": environ["AWS_SECRET_ACCESS_KEY"],
        "MINIO_UPDATE": "off",
    }


def _embedded(home: Home, ports: Mapping[str, int]) -> tuple[str, ...]:
    listen = ("--port", str(ports["store"]))
    return _python("devstack.embedded_s3", *listen, "--data", str(home.store / "embedded"))


def _mlflow(home: Home, ports: Mapping[str, int]) -> Component:
    command = _python(
        "devstack.mlflow_server",
        *("--host", LOOPBACK, "--port", str(ports["mlflow"]), "--workers", "1"),
        *("--gunicorn-opts", MLFLOW_OPTIONS),
        *("--backend-store-uri", f"sqlite:///{home.mlflow / 'mlflow.db'}"),
        *("--artifacts-destination", f"s3://{ARTIFACT_BUCKET}/artifacts"),
    )
    health = f"{url_of(ports['mlflow'])}/health"
    hosts = {"MLFLOW_SERVER_ALLOWED_HOSTS": f"localhost:*,{LOOPBACK}:*"}
    return Component(
        name=MLFLOW, command=command, bound_s=180, environ=hosts, healthy=lambda _: answers(health)
    )


def _migration(home: Home) -> Component:
    stamp = home.airflow / "migrated-to"
    current = version("apache-airflow")
    done = stamp.exists() and stamp.read_text(encoding="utf-8") == current

    def remember() -> None:
        stamp.write_text(current, encoding="utf-8")

    return Component(
        name=MIGRATION,
        command=_python("airflow", "db", "migrate"),
        bound_s=180,
        once=True,
        when_healthy=remember,
        needed=not (done and (home.airflow / "airflow.db").exists()),
    )


def _airflow(name: str, healthy: Probe, *options: str) -> Component:
    """An Airflow component. Log servers stay off (they listen on every interface); logs are on the disk."""
    command = _python("airflow", name, *options)
    return Component(name=name, command=command, bound_s=180, healthy=healthy, after=(MIGRATION,))


def _serves_tasks(airflow: str) -> bool:
    """Whether the API server answers users, and tasks.

    It builds what answers tasks at the first request, for several seconds: at ours, not at the first task's.
    """
    return answers(f"{airflow}/api/v2/monitor/health") and answers(f"{airflow}/execution/health")


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    # -P: modules in the working directory cannot be imported.
    return (sys.executable, "-P", "-m", module, *arguments)


def _require(*modules: str) -> None:
    for module in modules:
        if not find_spec(module):
            raise StackError(
                f"{module} is not installed in {Path(sys.prefix)}. Run `make setup`, "
                "or install this project with its extra `local`."
            )


def tool_path() -> str:
    """The PATH, beginning with the commands of this Python environment."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
