"""The second watcher: what a message of MinIO's Kafka target makes of it, and when there is one."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from iris_airflow.assets import assets
from iris_airflow.triggers import kafka
from iris_airflow.triggers.kafka import KafkaObjectTrigger
from iris_core.errors import ConfigError
from iris_core.ledger.look import look_of
from iris_core.settings.variables import load_settings

pytestmark = pytest.mark.unit

TARGETED = Path(__file__).parents[2] / "fixtures" / "minio-records" / "webhook.jsonl"
RECORDED = [line.encode() for line in TARGETED.read_text(encoding="utf-8").splitlines()]
"""Whole bodies as a target gets them, recorded from a real MinIO; those for Kafka are alike."""


def message(**described: Any) -> bytes:
    """The first recorded message, with another object."""
    body = json.loads(RECORDED[0])
    body["Records"][0]["s3"]["object"] |= described
    return json.dumps(body).encode()


async def events(
    *messages: bytes | None, key: str = "iris/", bucket: str = "rec-plain"
) -> list[dict[str, Any]]:
    async def stream() -> AsyncIterator[bytes | None]:
        for one in messages:
            yield one

    trigger = KafkaObjectTrigger(bucket=bucket, key=key, topic="minio-events")
    return [event.payload async for event in trigger.filter_shared_stream(stream())]


class TestMessages:
    async def test_an_event_names_what_landed_as_looks_understand_it(self) -> None:
        [event] = await events(message())
        assert event["why"] == "kafka"
        look = look_of([("training_data", event)], ["training_data"])
        assert [(one.bucket, one.key) for one in look.addresses] == [("rec-plain", "iris/iris_train.csv")]

    async def test_each_recorded_message_counts_in_its_bucket_only(self) -> None:
        """The listen stream's records and the target's are about the same calls."""
        stream = TARGETED.with_name("stream.jsonl").read_text(encoding="utf-8").splitlines()
        for bucket in ("plain", "versioned"):
            heard = await events(*RECORDED, bucket=f"rec-{bucket}", key="iris/")
            assert heard
            keys = {address.key for event in heard for address in look_of([("a", event)], ["a"]).addresses}
            records = [one["record"] for one in map(json.loads, stream) if one["bucket"] == bucket]
            assert keys <= {record["s3"]["object"]["key"] for record in records}
        assert await events(*RECORDED, bucket="rec-other") == []

    @pytest.mark.parametrize(
        ("escaped", "key"),
        [("iris%2Fa+b.csv", "iris/a b.csv"), ("iris%2FBl%C3%BCte%2B1.csv", "iris/Blüte+1.csv")],
    )
    async def test_keys_are_unescaped(self, escaped: str, key: str) -> None:
        [event] = await events(message(key=escaped))
        [address] = look_of([("a", event)], ["a"]).addresses
        assert address.key == key

    async def test_other_keys_wake_nobody(self) -> None:
        assert await events(message(), key="iris/labels/") == []
        assert await events(message(), key="iris/iris_test.csv") == []
        assert len(await events(message(), key="iris/iris_train.csv")) == 1

    @pytest.mark.parametrize(
        "bad",
        [
            None,
            b"",
            b"\xff\xfe\x00",
            b"{",
            b"7",
            b"[" * 100_000,
            b'{"Records": [{"eventName": "s3:ObjectCreated:Put", "s3": {"object": {"key": 7}}}]}',
            message(key="%FF%FE"),
            message(key="\ud800"),
            message(key="iris%2F" + "a" * 2000),
            message(versionId="\x00"),
            message(versionId=7),
            message(size="large"),
            message(eTag=None),
        ],
        ids=lambda bad: repr(bad)[:30],
    )
    async def test_what_cannot_be_read_is_passed_over_and_said(
        self, bad: bytes | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            assert len(await events(bad, message())) == 1
        [said] = caplog.messages
        assert said.startswith("Topic minio-events: ")
        assert said.endswith("It is passed over.")

    async def test_without_a_shared_stream_it_refuses(self) -> None:
        trigger = KafkaObjectTrigger(bucket="b", key="k", topic="t")
        with pytest.raises(NotImplementedError, match="in a triggerer only"):
            await anext(trigger.run())

    def test_triggers_of_one_topic_share_a_consumer(self) -> None:
        keys = {KafkaObjectTrigger(bucket="b", key=k, topic="t").shared_stream_key() for k in ("a", "b/")}
        other = KafkaObjectTrigger(bucket="b", key="a", topic="u").shared_stream_key()
        assert len(keys) == 1
        assert other not in keys


class TestAssets:
    def test_with_a_topic_each_watched_asset_has_two_watchers(self) -> None:
        made = assets(load_settings({"KAFKA_TOPIC": "minio-events", "TEAM_S3_BUCKET": "team-a-bucket"}))
        found = {}
        for asset in (made.training_data, made.inference_data, made.labels):
            stream, second = asset.watchers
            assert (stream.name, second.name) == (f"{asset.name}_watcher", f"{asset.name}_kafka_watcher")
            assert isinstance(second.trigger, KafkaObjectTrigger)
            found[asset.uri] = second.trigger.serialize()[1]
        assert found == {
            f"x-minio://team-a-bucket/{key}": {
                "bucket": "team-a-bucket",
                "key": key,
                "topic": "minio-events",
                "conn_id": "kafka_default",
            }
            for key in ("iris/iris_train.csv", "iris/iris_test.csv", "iris/labels/")
        }
        assert len(made.staged_model.watchers) == 1

    def test_without_one_there_is_one(self) -> None:
        made = assets(load_settings({"KAFKA_TOPIC": ""}))
        assert {len(one.watchers) for one in (made.training_data, made.inference_data, made.labels)} == {1}

    @pytest.mark.parametrize("missing", ["no_such_package.kafka", "json.no_such_module"])
    def test_without_the_extra_it_is_said(self, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kafka, "PRODUCER", missing)
        with pytest.raises(ConfigError, match="Install the extra `kafka` into every component"):
            assets(load_settings({"KAFKA_TOPIC": "minio-events"}))
        assets(load_settings({}))

    def test_what_it_looks_for_is_there(self) -> None:
        assert find_spec(kafka.PRODUCER)
