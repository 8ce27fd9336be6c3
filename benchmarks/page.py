"""`make bench-page OBJECTS=500000`: server time of the page in Airflow with a long ledger.

The ledger is written straight into the store (benchmarks.past): two records for each scored table, and as
many names in the journals. The page is asked for as in Airflow's API server, in this process: login,
permissions, ledger, charts, HTML. Everybody is an admin, as in the local stack.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated

import typer
from fastapi import FastAPI
from fastapi.testclient import TestClient
from rich.console import Console

from benchmarks.history import Deployment, deployments, prepare
from devstack.figures import Figure, write_figures
from devstack.home import find_home

WARM = 5
console = Console(width=120)


def served(environ: Mapping[str, str], folder: Path) -> TestClient:
    """A browser at an API server with the page, and an empty database of Airflow.

    :param environ: the deployment's variables.
    :param folder: for the database.
    """
    connection = {
        "conn_type": "aws",
        "login": environ["AWS_ACCESS_KEY_ID"],
        "password": environ["AWS_SECRET_ACCESS_KEY"],
        "extra": {"endpoint_url": environ["MLFLOW_S3_ENDPOINT_URL"], "region_name": "us-east-1"},
    }
    os.environ.update(environ)
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    os.environ["AIRFLOW_CONN_MINIO_DEFAULT"] = json.dumps(connection)
    os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] = "True"
    os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{folder}/airflow.db"
    from airflow import settings
    from airflow.api_fastapi.app import init_auth_manager
    from airflow.api_fastapi.core_api.app import init_middlewares
    from airflow.models import import_all_models
    from airflow.models.base import Base

    from iris_airflow.plugin import IrisPlugin

    settings.configure_vars()  # type: ignore[no-untyped-call]
    settings.configure_orm()  # type: ignore[no-untyped-call]
    import_all_models()  # type: ignore[no-untyped-call]
    Base.metadata.create_all(settings.get_engine())  # type: ignore[no-untyped-call]
    app = FastAPI()
    for mounted in IrisPlugin().fastapi_apps:
        app.mount(mounted["url_prefix"], mounted["app"])
    init_auth_manager(app)
    init_middlewares(app)
    return TestClient(app, base_url="http://airflow.local")


def seconds_of(client: TestClient, path: str, rounds: int) -> tuple[list[float], float]:
    """How long each of several requests took, after `WARM` others; and the processor's time for one.

    :param client: the browser.
    :param path: what it asks for.
    :param rounds: how often.
    """
    took = []
    for number in range(WARM + rounds):
        if number == WARM:
            worked = time.process_time()
        began = time.perf_counter()
        answer = client.get(path)
        took.append(time.perf_counter() - began)
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status_code} {answer.text[:500]}")
    return took[WARM:], (time.process_time() - worked) / rounds


def _figures(past: Deployment, folder: Path, rounds: int) -> list[Figure]:
    settings = past.workspace.settings
    client = served(past.environ, folder)
    took, worked = seconds_of(client, f"/iris/{settings.project.full_name}", rounds)
    p95 = quantiles(took, n=20)[-1]
    return [
        Figure(name="page_p95_ms", value=round(1000 * p95, 1), unit="ms", goal=300),
        Figure(name="page_p50_ms", value=round(1000 * median(took), 1), unit="ms"),
        Figure(
            name="page_cpu_ms", value=round(1000 * worked, 1), unit="ms", reason="of one page, this process"
        ),
    ]


def main(
    history: Annotated[int, typer.Option(min=0, help="Decided objects; each has two records.")] = 500_000,
    days: Annotated[int, typer.Option(min=1, help="Days over which they landed.")] = 100,
    rounds: Annotated[int, typer.Option(min=20, help="Requests that are measured.")] = 100,
    folder: Annotated[
        Path | None, typer.Option(help="Keeps the store and its past, for another run with the same numbers.")
    ] = None,
) -> None:
    """Measure, print, and write .iris/results/bench-page.json."""
    with (
        tempfile.TemporaryDirectory(prefix="iris-page-") as name,
        deployments(folder or Path(name)) as (store, [_, past, _]),
    ):
        prepare(store, past, history, days)
        found = _figures(past, Path(name), rounds)
    for figure in found:
        goal = "" if figure.goal is None else f"goal {figure.goal:g}: {'met' if figure.met else 'missed'}"
        console.print(f"{figure.name:<14} {figure.value} {figure.unit} {goal}", markup=False)
    parameters = {"history": history, "days": days, "rounds": rounds, "store": store}
    write_figures(find_home(), "bench-page", found, parameters)


if __name__ == "__main__":
    typer.run(main)
