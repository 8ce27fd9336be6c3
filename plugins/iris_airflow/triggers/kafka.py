"""Watches the topic of MinIO's Kafka target for landed objects."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Hashable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from iris_core.errors import ConfigError
from iris_provider_minio.triggers.declared import DeclaredTrigger

if TYPE_CHECKING:
    from airflow.triggers.shared_stream import SharedStreamProducer

    from iris_provider_minio.versions import ObjectVersion

log = logging.getLogger(__name__)

CONN_ID = "kafka_default"
POLL_S = 0.1
"""A poll holds the one thread that the triggers of a triggerer share for calls that block."""
PRODUCER = "airflow.providers.apache.kafka.triggers.shared_stream"


def check_extra() -> None:
    """Check that Airflow's Kafka provider can read for this trigger; imports none of it.

    :raises ConfigError: it is not installed, or older than 2.1.
    """
    try:
        found = find_spec(PRODUCER)
    except ModuleNotFoundError:
        found = None
    if not found:
        raise ConfigError(
            "KAFKA_TOPIC is set, but apache-airflow-providers-apache-kafka 2.1 or newer is not installed. "
            "Install the extra `kafka` into every component of Airflow, or leave KAFKA_TOPIC empty."
        )


class KafkaObjectTrigger(DeclaredTrigger):
    """Fires when a message says that an object landed; a second watcher beside `MinioObjectTrigger`.

    It reads by the producer of Airflow's Kafka provider. Triggers with one topic and connection share one
    consumer, so that each sees every message, and a message's offset is committed when the events that were
    made of it are in Airflow's database. Delivery is at least once for messages in Kafka: after a restart it
    goes on at the committed offset. Objects that MinIO never told Kafka about it does not know. An event only
    says "look now", so a needless one changes nothing, even if this trigger runs in two triggerers at once;
    two triggerers with one consumer group divide the topic's partitions, and each sees its own only.

    A message that is not MinIO's is logged and passed over.

    :param bucket: the bucket to watch.
    :param key: one object's key, or a prefix that ends in `/`.
    :param topic: the topic of MinIO's Kafka target.
    :param conn_id: the Airflow connection of type `kafka`; it needs `enable.auto.commit=false`.
    """

    arguments = ("bucket", "key", "topic", "conn_id")

    def __init__(self, *, bucket: str, key: str, topic: str, conn_id: str = CONN_ID) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bucket = bucket
        self.key = key
        self.topic = topic
        self.conn_id = conn_id

    def shared_stream_key(self) -> Hashable:
        """The key of the consumer, which triggers with one topic and connection share."""
        return (type(self).__qualname__, self.topic, self.conn_id)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Airflow's: it polls the topic, and commits what Airflow has stored."""
        from airflow.providers.apache.kafka.triggers.shared_stream import KafkaSharedStreamProducer

        return KafkaSharedStreamProducer(
            topics=[kwargs["topic"]], kafka_config_id=kwargs["conn_id"], poll_timeout=POLL_S
        )

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each message about objects of this trigger's source."""
        from iris_airflow.triggers.watch import told

        async for message in shared_stream:
            if versions := self._landed(message):
                yield TriggerEvent(told("kafka", versions, True))  # type: ignore[no-untyped-call]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Refuse to run without a shared stream.

        :raises NotImplementedError: always; offsets are committed by the triggerer's shared streams only.
        """
        raise NotImplementedError(f"{type(self).__name__} runs in a triggerer only, on a shared stream.")
        yield

    def _landed(self, message: bytes | None) -> list[ObjectVersion]:
        """The watched objects that a message is about; none for one that cannot be read."""
        from iris_core.ledger.source import Source
        from iris_provider_minio.errors import StoreUnusable
        from iris_provider_minio.notification import landed

        source = Source(self.bucket, self.key)
        try:
            versions = list(landed(message or b"", are_keys_escaped=True))
        except StoreUnusable:
            log.warning(
                "Topic %s: %r is no message of MinIO's. It is passed over.",
                self.topic,
                message and message[:80],
            )
            return []
        return [one for one in versions if one.bucket == source.bucket and source.matches(one.key, one.size)]
