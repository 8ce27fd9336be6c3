"""A real MinIO tells a real Kafka what lands; the second watcher hears of it, in Airflow's own triggerer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
from asgiref.sync import SyncToAsync
from confluent_kafka import Consumer, Producer, TopicPartition

from iris_airflow.triggers.kafka import CONN_ID, KafkaObjectTrigger
from iris_core.store.objects import ObjectStore, StoreAccess
from iris_core.store.versions import ObjectVersion
from tests.real_kafka import TOPIC, connection, real_kafka, target, tell_kafka
from tests.real_minio import KEY, SECRET, real_minio
from tests.triggering import Supervisor, supervised

pytestmark = [pytest.mark.integration, pytest.mark.slow]

BUCKET = "team-a-bucket"
KEYS = ("iris/iris_train.csv", "iris/in/", "iris/labels/")


class Places(NamedTuple):
    store: ObjectStore
    kafka: str

    def put(self, key: str) -> ObjectVersion:
        return self.store.put(BUCKET, key, b"1", "text/csv")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    folder = tmp_path_factory.mktemp("kafka")
    with (
        real_kafka(folder) as kafka,
        real_minio(folder / "minio", more=target(kafka, folder / "queue")) as endpoint,
    ):
        store = ObjectStore(StoreAccess(endpoint_url=endpoint, access_key_id=KEY, secret_access_key=SECRET))
        store.ensure_bucket(BUCKET, versioned=True)
        tell_kafka(endpoint, BUCKET, (KEY, SECRET))
        yield Places(store, kafka)


@pytest.fixture(autouse=True)
def connected(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection, and a fresh executor: the forked runner has no thread that a test before started."""
    monkeypatch.setattr(SyncToAsync, "single_thread_executor", ThreadPoolExecutor(max_workers=1))
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection(places.kafka)))


def want_all(supervisor: Supervisor) -> None:
    for number, key in enumerate(KEYS):
        supervisor.want(number, KafkaObjectTrigger(bucket=BUCKET, key=key, topic=TOPIC))
    supervisor.load_triggers()


def heard(supervisor: Supervisor) -> list[tuple[int, Any]]:
    return [(number, payload["newest"]) for number, payload, _ in supervisor.got]


def committed(places: Places) -> int:
    """The offset at which the watchers' group would go on."""
    consumer = Consumer({"bootstrap.servers": places.kafka, "group.id": "iris"})
    try:
        [found] = consumer.committed([TopicPartition(TOPIC, 0)], timeout=10)
    finally:
        consumer.close()
    return int(found.offset)


def test_each_watcher_hears_of_its_own_objects_once_whatever_was_down(places: Places) -> None:
    before = places.put(KEYS[0])
    odd = "iris/in/Blüte + 1 %41.csv"
    with supervised(Supervisor) as supervisor:
        want_all(supervisor)
        supervisor.until(lambda: len(supervisor.got) >= 1)
        assert heard(supervisor) == [(0, [before.uri])]
        others = Producer({"bootstrap.servers": places.kafka})
        others.produce(TOPIC, b"\xff\x00 of somebody else")
        others.produce(TOPIC, None)
        others.flush(10)
        places.put("elsewhere.csv")
        landed = [places.put(odd), places.put("iris/labels/a.csv")]
        supervisor.until(lambda: len(supervisor.got) >= 3)
        assert heard(supervisor)[1:] == [(1, [landed[0].uri]), (2, [landed[1].uri])]
        assert supervisor.failed == []
        supervisor.until(lambda: committed(places) == 6)
    meanwhile = places.put("iris/in/while-it-was-down.csv")
    with supervised(Supervisor) as supervisor:
        want_all(supervisor)
        supervisor.until(lambda: len(supervisor.got) >= 1)
        later = places.put(KEYS[0])
        supervisor.until(lambda: len(supervisor.got) >= 2)
    assert heard(supervisor) == [(1, [meanwhile.uri]), (0, [later.uri])]
