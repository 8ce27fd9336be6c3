"""The sensors and the notifiers, with a real MLflow server and the embedded store; their example DAG."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from pathlib import Path
from typing import Any

import mlflow
import pytest
from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import TaskDeferred

import iris_provider_minio
from iris_core.store.objects import ObjectStore
from iris_provider_minio import listing
from iris_provider_minio.errors import RegistryUnusable, StoreUnusable
from iris_provider_minio.notifiers.minio import MinioObjectNotifier
from iris_provider_minio.notifiers.mlflow import MlflowVersionTagNotifier
from iris_provider_minio.sensors.minio import MinioObjectSensor
from iris_provider_minio.sensors.mlflow import MlflowAliasSensor
from iris_provider_minio.triggers import awaited
from tests.dags.conftest import told
from tests.integration.provider.conftest import BUCKET, migrated

pytestmark = [pytest.mark.integration, pytest.mark.slow]

EXAMPLE = Path(iris_provider_minio.__file__).parent / "example_dags" / "wait_and_mark.py"
RUN = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.models.xcom import XComModel
from airflow.settings import Session

dag = DagBag(dag_folder=sys.argv[1]).dags["wait_and_mark"]
run = dag.test()
found = Session().query(XComModel).filter_by(run_id=run.run_id, key="return_value")
values = {one.task_id: XComModel.deserialize_value(one) for one in found}
print("RAN", json.dumps([str(run.state), run.run_id, values]))
"""
WITHIN_S = 30


def deferred(sensor: BaseSensorOperator) -> Any:
    """The trigger to which a sensor leaves the waiting, as the triggerer makes it."""
    with pytest.raises(TaskDeferred) as raised:
        sensor.execute({})
    assert raised.value.timeout is not None
    assert raised.value.timeout.total_seconds() == sensor.timeout
    path, arguments = raised.value.trigger.serialize()
    assert path == f"{awaited.__name__}.{type(raised.value.trigger).__name__}"
    return type(raised.value.trigger)(**arguments)


async def fired(trigger: Any) -> dict[str, Any]:
    """What a trigger's only event tells."""
    async with asyncio.timeout(WITHIN_S), aclosing(trigger.run()) as events:
        found = [event.payload async for event in events]
    assert len(found) == 1
    return dict(found[0])


@pytest.mark.usefixtures("connections")
class TestObject:
    def test_what_exists_is_not_waited_for(self, store: ObjectStore) -> None:
        store.put(BUCKET, "in/b.csv", b"1", "text/csv")
        store.put(BUCKET, "in/a.csv", b"1", "text/csv")
        newest = store.put(BUCKET, "in/a.csv", b"22", "text/csv")
        found = MinioObjectSensor(task_id="t", bucket=BUCKET, prefix="in/", suffix=".csv").execute({})
        assert (found["uri"], found["size"], found["event"]) == (newest.uri, 2, "created")

    async def test_what_lands_is_told_at_once(
        self, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(awaited, "LOOK_AGAIN_S", 1e9)
        sensor = MinioObjectSensor(task_id="t", bucket=BUCKET, prefix="later/", suffix=".csv")
        waiting = asyncio.ensure_future(fired(await asyncio.to_thread(deferred, sensor)))
        for key in ("later/a.txt", "other/a.csv"):
            await asyncio.to_thread(store.put, BUCKET, key, b"", "text/csv")
        await asyncio.sleep(1)
        assert not waiting.done()
        landed = await asyncio.to_thread(store.put, BUCKET, "later/b.csv", b"1", "text/csv")
        assert (await waiting)["uri"] == landed.uri

    async def test_what_lands_elsewhere_in_the_bucket_costs_no_listing(
        self, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listings, existing = [], listing.existing

        def counted(*asked: Any) -> Any:
            listings.append(asked)
            return existing(*asked)

        monkeypatch.setattr(listing, "existing", counted)
        trigger = awaited.MinioObjectAwaited(BUCKET, "rare/", ".csv", "minio_default", ping_s=1)
        waiting = asyncio.ensure_future(fired(trigger))
        for number in range(20):
            await asyncio.to_thread(store.put, BUCKET, f"often/{number}.csv", b"1", "text/csv")
        await asyncio.to_thread(store.put, BUCKET, "rare/a.csv", b"1", "text/csv")
        await waiting
        assert len(listings) <= 3

    async def test_what_landed_before_the_triggerer_began_is_seen(self, store: ObjectStore) -> None:
        sensor = MinioObjectSensor(task_id="t", bucket=BUCKET, prefix="between/")
        trigger = await asyncio.to_thread(deferred, sensor)
        landed = await asyncio.to_thread(store.put, BUCKET, "between/a.csv", b"1", "text/csv")
        assert (await fired(trigger))["uri"] == landed.uri

    async def test_an_object_without_a_notification_is_seen_by_the_next_look(
        self, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from iris_provider_minio import stream

        monkeypatch.setattr(awaited, "LOOK_AGAIN_S", 0.5)
        monkeypatch.setattr(stream, "landed", lambda line: ())
        trigger = awaited.MinioObjectAwaited(BUCKET, "silent/", "", "minio_default", ping_s=1)
        waiting = asyncio.ensure_future(fired(trigger))
        await asyncio.sleep(0.3)
        landed = await asyncio.to_thread(store.put, BUCKET, "silent/a.csv", b"1", "text/csv")
        assert (await waiting)["uri"] == landed.uri

    def test_what_was_deleted_does_not_exist(self, store: ObjectStore) -> None:
        store.put(BUCKET, "gone/a.csv", b"1", "text/csv")
        store.admin.remove_object(BUCKET, "gone/a.csv")
        deferred(MinioObjectSensor(task_id="t", bucket=BUCKET, prefix="gone/"))

    def test_a_bucket_that_is_not_there_is_named(self) -> None:
        sensor = MinioObjectSensor(task_id="t", bucket="nowhere", prefix="in/")
        with pytest.raises(StoreUnusable, match=r"s3://nowhere/in/.*NoSuchBucket"):
            sensor.execute({})


@pytest.mark.usefixtures("connections")
class TestAlias:
    async def test_the_version_is_told_when_the_alias_is_set(self, server: str) -> None:
        client = mlflow.MlflowClient(server, server)
        client.create_registered_model("waited")
        version = client.create_model_version("waited", "s3://somewhere/model").version
        trigger = deferred(MlflowAliasSensor(task_id="t", model="waited", alias="live"))
        trigger.poll_s = 0.1
        waiting = asyncio.ensure_future(fired(trigger))
        await asyncio.sleep(1)
        assert not waiting.done()
        await asyncio.to_thread(client.set_registered_model_alias, "waited", "live", version)
        assert (await waiting)["model_uri"] == f"models:/waited/{version}"


@pytest.mark.usefixtures("connections")
class TestNotifiers:
    def test_an_object_is_written_by_templates(self, store: ObjectStore) -> None:
        MinioObjectNotifier(bucket=BUCKET, key="marks/{{ run_id }}", text="é {{ run_id }}")({"run_id": "r1"})
        assert store.get(BUCKET, "marks/r1") == "é r1".encode()

    def test_what_cannot_be_written_is_said(self) -> None:
        with pytest.raises(StoreUnusable, match="Writing s3://nowhere/a: NoSuchBucket"):
            MinioObjectNotifier(bucket="nowhere", key="a")({})

    def test_a_version_is_tagged_by_templates(self, server: str) -> None:
        client = mlflow.MlflowClient(server, server)
        client.create_registered_model("tagged")
        client.create_model_version("tagged", "s3://somewhere/model")
        tags = {"checks": "failed in {{ run_id }}"}
        MlflowVersionTagNotifier(model="tagged", version="{{ n }}", tags=tags)({"run_id": "r1", "n": 1})
        assert client.get_model_version("tagged", "1").tags == {"checks": "failed in r1"}

    def test_a_version_that_is_not_there_is_named(self) -> None:
        with pytest.raises(RegistryUnusable, match=r"Tagging version 7 of nobody at http.*answered 404"):
            MlflowVersionTagNotifier(model="nobody", version="7", tags={"a": "b"})({})


def test_the_example_waits_and_leaves_its_marks(
    server: str, store: ObjectStore, connections: dict[str, str], tmp_path: Path
) -> None:
    client = mlflow.MlflowClient(server, server)
    client.create_registered_model("flowers")
    client.create_model_version("flowers", "s3://somewhere/model")
    environ = migrated(tmp_path, EXAMPLE, connections)
    later = threading.Timer(12, store.put, (BUCKET, "tables/1.csv", b"1", "text/csv"))
    staged = threading.Timer(14, client.set_registered_model_alias, ("flowers", "candidate", "1"))
    for timer in (later, staged):
        timer.start()
    state, run_id, values = told(RUN, [str(EXAMPLE)], environ, tmp_path, "RAN", bound_s=200)
    for timer in (later, staged):
        timer.join()
    assert state == "success"
    assert values["table"]["key"] == "tables/1.csv"
    assert values["staged"]["version"] == "1"
    assert store.get(BUCKET, f"marks/{run_id}.done") == b"version 1"
    assert client.get_model_version("flowers", "1").tags == {"used_by": run_id}


def test_the_page_shows_the_example() -> None:
    code = EXAMPLE.read_text(encoding="utf-8")
    page = (Path(__file__).parents[3] / "docs" / "provider.md").read_text(encoding="utf-8")
    assert code[code.index("VERSION = ") :] in page
