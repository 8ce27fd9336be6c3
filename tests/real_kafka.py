"""A real Kafka for a test, one node on loopback; the test is skipped where there is none.

MinIO's and Airflow's settings are those that docs/kafka.md shows.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tests.documents import Fence, fences
from tests.real_minio import free_port, wait_until

TOPIC = "minio-events"
KAFKA = "kafka.example.com:9092"
SHOWN_CLIENT = '"minio.example.com:9000", "admin", "…"'
MISSING = (
    "no real Kafka: KAFKA_HOME names no folder with Kafka's jars below libs/, or there is no java on PATH"
)
PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


@contextmanager
def real_kafka(folder: Path) -> Iterator[str]:
    """A broker with the topic `minio-events`; yields its address.

    :param folder: for its data.
    """
    java, libs = shutil.which("java"), Path(os.environ.get("KAFKA_HOME", "")) / "libs"
    if not java or not list(libs.glob("kafka_*.jar")):
        pytest.skip(MISSING)
    broker, controller = free_port(), free_port()
    properties = folder / "server.properties"
    properties.write_text(
        PROPERTIES.format(broker=broker, controller=controller, data=folder / "data"), encoding="utf-8"
    )
    start = [java, "-Xmx256m", "-cp", f"{libs}/*"]
    cluster = ["--cluster-id", "MkU3OEVBNTcwNTJENDM2Qk", "--config", str(properties)]
    subprocess.run([*start, "kafka.tools.StorageTool", "format", *cluster], check=True, capture_output=True)
    command = [*start, "kafka.Kafka", str(properties)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"127.0.0.1:{broker}"
        wait_until(lambda: _has_topic(address), 60)
        yield address
    finally:
        process.kill()
        process.wait()


def _has_topic(address: str) -> bool:
    """Whether the broker has made the topic, or has it."""
    client = AdminClient({"bootstrap.servers": address, "socket.timeout.ms": 2000, "log_level": 0})
    try:
        client.create_topics([NewTopic(TOPIC, 1, 1)], request_timeout=2)[TOPIC].result(5)
    except KafkaException as error:
        return bool(error.args[0].name() == "TOPIC_ALREADY_EXISTS")
    return True


def target(address: str, folder: Path) -> dict[str, str]:
    """MinIO's variables for the topic as its target, from docs/kafka.md.

    :param address: Kafka's.
    :param folder: becomes the target's queue folder.
    """
    (block,) = [one.body for one in _fences() if one.body.startswith("MINIO_NOTIFY_")]
    variables = dict(line.split("=", 1) for line in block.splitlines())
    variables["MINIO_NOTIFY_KAFKA_QUEUE_DIR_IRIS"] = str(folder)
    return {name: value.replace(KAFKA, address) for name, value in variables.items()}


def tell_kafka(endpoint: str, bucket: str, login: tuple[str, str]) -> None:
    """Execute what docs/kafka.md shows: from now on the bucket's new objects are told to the target."""
    (block,) = [one.body for one in _fences() if one.language == "python"]
    key, secret = login
    there = f'"{endpoint.removeprefix("http://")}", "{key}", "{secret}", secure=False'
    for shown, typed in ((SHOWN_CLIENT, there), ("team-a-bucket", bucket)):
        assert shown in block
        block = block.replace(shown, typed)
    exec(compile(block, "docs/kafka.md", "exec"), {})


def connection(address: str) -> dict[str, Any]:
    """The connection `kafka_default` as docs/kafka.md has it."""
    (block,) = [one.body for one in _fences() if one.body.startswith("AIRFLOW_CONN_KAFKA_DEFAULT=")]
    _, _, value = "".join(block.splitlines()).partition("=")
    told: dict[str, Any] = json.loads(value.strip("'").replace(KAFKA, address))
    return told


def _fences() -> list[Fence]:
    return [one for one in fences() if one.page == "docs/kafka.md"]
