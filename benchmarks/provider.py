"""`make bench-provider`: uploads while triggerer and MinIO are killed, and what a watcher then missed.

A stock Airflow's triggerer runs the provider's watcher and a bare listener on one bucket of a real MinIO.
Every upload that MinIO acknowledged must be named by an event in Airflow's database.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer
from minio import Minio
from minio.commonconfig import ENABLED
from minio.error import MinioException
from minio.versioningconfig import VersioningConfig
from rich.console import Console
from rich.table import Table
from urllib3.exceptions import HTTPError

from benchmarks.minio_server import MinioServer
from benchmarks.small_airflow import SmallAirflow
from devstack.figures import Figure, write_figures
from devstack.home import find_home
from devstack.interrupts import interruptible
from iris_provider_minio.access import StoreAccess

BUCKET = "landing"
ROOT = Path(__file__).parents[1]
WAIT_S = 120.0
console = Console(width=120)


def upload(client: Minio, key: str) -> None:
    """Upload until the store acknowledges it."""
    while True:
        try:
            client.put_object(BUCKET, key, BytesIO(b"1"), 1)
        except (MinioException, HTTPError, OSError):
            time.sleep(0.2)
        else:
            return


def named(airflow: SmallAirflow, asset: str) -> Counter[str]:
    """How many events name each key."""
    return Counter(told["key"] for payload in airflow.events(asset) for told in payload["objects"])


def wait_for(airflow: SmallAirflow, asset: str, keys: set[str]) -> None:
    """Wait until events name all keys, or nothing more can be expected."""
    end = time.monotonic() + WAIT_S
    while not keys <= named(airflow, asset).keys() and time.monotonic() < end:
        time.sleep(0.5)


def measure(folder: Path, server: MinioServer, uploads: int, kills: int, seed: int) -> list[Figure]:
    """Upload and kill; returns the figures."""
    access = StoreAccess(server.url, server.key, server.secret)
    client = Minio(server.address, server.key, server.secret, secure=False)
    client.make_bucket(BUCKET)
    client.set_bucket_versioning(BUCKET, VersioningConfig(ENABLED))
    binary, dags = Path(sys.executable).with_name("airflow"), ROOT / "benchmarks" / "provider_dags"
    airflow = SmallAirflow(folder, binary, dags, access, {"PYTHONPATH": str(ROOT)})
    chance = random.Random(seed)
    faults = chance.sample(range(1, uploads), kills * 2)
    plan = dict.fromkeys(faults[:kills], "triggerer") | dict.fromkeys(faults[kills:], "store")
    keys = {f"{number:04}.csv" for number in range(uploads)}
    try:
        airflow.prepare()
        airflow.start("triggerer", "--skip-serve-logs")
        upload(client, "first.csv")
        wait_for(airflow, "ours", {"first.csv"})
        for number, key in enumerate(sorted(keys)):
            if plan.get(number) == "triggerer":
                airflow.kill("triggerer")
                airflow.start("triggerer", "--skip-serve-logs")
            elif plan.get(number) == "store":
                server.restart()
            upload(client, key)
            time.sleep(chance.uniform(0.0, 4.0))
        wait_for(airflow, "ours", keys)
        ours, bare = named(airflow, "ours"), named(airflow, "bare")
    finally:
        airflow.close()
    doubled = sum(ours[key] > 1 for key in keys)
    return [
        Figure(name="missed", value=len(keys - ours.keys()), unit="objects", goal=0),
        Figure(
            name="missed_by_bare_listener",
            value=len(keys - bare.keys()),
            unit="objects",
            goal=1,
            better="higher",
        ),
        Figure(name="doubled", value=doubled, unit="objects"),
    ]


def main(
    uploads: Annotated[int, typer.Option(help="Objects to upload.")] = 100,
    kills: Annotated[int, typer.Option(help="How often triggerer and store are killed, each.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the schedule.")] = 1,
) -> None:
    """Measure, print a table, and write the figures."""
    names = ("missed", "missed_by_bare_listener", "doubled")
    binary = os.environ.get("MINIO_BIN") or shutil.which("minio")
    if binary is None:
        reason = "no real MinIO: MINIO_BIN is not set and there is no `minio` on PATH"
        figures = [Figure(name=name, value=None, unit="objects", reason=reason) for name in names]
    else:
        with (
            interruptible(),
            tempfile.TemporaryDirectory() as name,
            MinioServer(Path(name) / "store", binary) as server,
        ):
            (folder := Path(name) / "airflow").mkdir()
            figures = measure(folder, server, uploads, kills, seed)
    table = Table("figure", "value", "goal", "met")
    for figure in figures:
        table.add_row(figure.name, str(figure.value), str(figure.goal), str(figure.met))
    console.print(table)
    write_figures(find_home(), "bench-provider", figures, {"uploads": uploads, "kills": kills, "seed": seed})


if __name__ == "__main__":
    typer.run(main)
