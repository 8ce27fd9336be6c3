"""Notification records, as recorded from a real MinIO (fixtures/minio-records)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from iris_core.store.objects import ObjectVersion
from iris_provider_minio.errors import StoreUnusable
from iris_provider_minio.notification import landed

pytestmark = pytest.mark.unit

STREAM = Path(__file__).parents[2] / "fixtures" / "minio-records" / "stream.jsonl"
RECORDED = [json.loads(line) for line in STREAM.read_text(encoding="utf-8").splitlines()]
PING = b'{"Records":null}\n'
LANDING = {
    "put small",
    "overwrite same bytes",
    "put empty",
    "special key",
    "multipart",
    "copy",
    "copy onto itself (metadata)",
    "presigned put",
    "post form",
    "put if-none-match (fresh)",
    "put in lock bucket",
}
IGNORED = {
    "tagging",
    "delete tagging",
    "get",
    "head",
    "folder marker",
    "delete",
    "delete missing",
    "bulk delete",
    "delete one version",
    "remove delete marker (restore)",
    "legal hold",
    "legal hold off",
}
"""Only a listing sees what `remove delete marker (restore)` brings back."""


def line(*records: dict[str, Any]) -> bytes:
    return json.dumps({"Records": records}, ensure_ascii=False).encode() + b"\n"


def recorded(step: str, bucket: str = "versioned") -> dict[str, Any]:
    found: dict[str, Any] = next(r for r in RECORDED if (r["step"], r["bucket"]) == (step, bucket))["record"]
    return found


def one(record: dict[str, Any]) -> ObjectVersion:
    [version] = landed(line(record))
    return version


def test_every_recorded_step_is_expected_below() -> None:
    assert {record["step"] for record in RECORDED} == LANDING | IGNORED


@pytest.mark.parametrize("entry", RECORDED, ids=lambda entry: f"{entry['bucket']}: {entry['step']}")
def test_which_steps_land(entry: dict[str, Any]) -> None:
    versions = list(landed(line(entry["record"])))
    if entry["step"] in IGNORED:
        assert versions == []
        return
    [version] = versions
    described = entry["record"]["s3"]["object"]
    assert version.bucket == entry["record"]["s3"]["bucket"]["name"]
    assert version.key == described["key"]
    assert version.version_id == described.get("versionId")
    assert version.etag == described["eTag"]
    assert (version.version_id is None) == (entry["bucket"] == "plain")


def test_time_and_size() -> None:
    version = one(recorded("multipart"))
    assert version.size == 11_000_000
    event_time = datetime.fromisoformat(recorded("multipart")["eventTime"])
    assert version.landed_at == event_time.replace(microsecond=0)
    assert version.landed_at.tzinfo == UTC


def test_an_absent_size_is_zero_bytes() -> None:
    assert "size" not in recorded("put empty")["s3"]["object"]
    assert one(recorded("put empty")).size == 0


@pytest.mark.parametrize(
    "key", ["iris/a b.csv", "iris/a+b.csv", "iris/100%41.csv", "iris/Blüte.csv", "a&=?#.csv"]
)
def test_keys_are_raw(key: str) -> None:
    record = json.loads(json.dumps(recorded("put small")))
    record["s3"]["object"]["key"] = key
    assert one(record).key == key


@pytest.mark.parametrize("version_id", [None, "", "null"])
def test_no_version_id_in_an_unversioned_bucket(version_id: str | None) -> None:
    record = json.loads(json.dumps(recorded("put small")))
    record["s3"]["object"]["versionId"] = version_id
    assert one(record).version_id is None


def test_several_records_on_a_line() -> None:
    several = line(recorded("put small"), recorded("tagging"), recorded("copy"))
    assert [version.key for version in landed(several)] == ["iris/iris_train.csv", "iris/copy.csv"]


@pytest.mark.parametrize("ping", [PING, b'{"Records":[]}', b'{"Records": null}'])
def test_a_ping_lands_nothing(ping: bytes) -> None:
    assert list(landed(ping)) == []


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html>502 Bad Gateway</html>",
        b"",
        b"\xff\xfe",
        b"[]",
        b"7",
        b'{"records": []}',
        b'{"Records": 7}',
        b'{"Records": ["text"]}',
        b'{"Records": [{"eventName": "s3:ObjectCreated:Put"}]}',
        b'{"Records": [{"eventName": "s3:ObjectCreated:Put", "s3": {"object": []}}]}',
        b'{"Records": [{"eventName": ["s3:ObjectCreated:Put"]}]}',
    ],
)
def test_garbage_is_an_error_that_shows_it(garbage: bytes) -> None:
    with pytest.raises(StoreUnusable, match="sent something else than records: ") as caught:
        list(landed(garbage))
    assert repr(garbage[:80]) in str(caught.value)


def test_a_spoiled_time_is_an_error() -> None:
    record = recorded("put small") | {"eventTime": "yesterday"}
    with pytest.raises(StoreUnusable):
        list(landed(line(record)))
