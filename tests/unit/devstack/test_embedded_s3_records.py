"""Event records and removal events without a server."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from devstack.embedded_s3.records import EventObject, Origin, event_line, event_record, user_metadata
from devstack.embedded_s3.removals import Removal, VersionFacts, bulk_removal, single_removal

pytestmark = pytest.mark.unit

DELETE, MARKER, NOOP = (f"s3:ObjectRemoved:{n}" for n in ("Delete", "DeleteMarkerCreated", "NoOP"))
ORIGIN = Origin(
    principal="iris",
    source_ip="127.0.0.1",
    user_agent="Boto3",
    endpoint="http://127.0.0.1:9000",
    deployment_id="d",
    node_id="n",
    request_id="r",
    time=datetime(2026, 11, 23, 6, 52, 45, 639_999, UTC),
)


def test_record_has_minio_s_fields() -> None:
    obj = EventObject(
        "ü b.csv", 0x18EA9A092B450EE1, None, "e5eb", 8, "text/csv", {"content-type": "text/csv"}
    )
    record = event_record("s3:ObjectCreated:Put", "team", obj, ORIGIN)
    assert record["eventTime"] == "2026-11-23T06:52:45.639Z"
    assert record["s3"]["object"] == {
        "key": "ü b.csv",
        "size": 8,
        "eTag": "e5eb",
        "contentType": "text/csv",
        "userMetadata": {"content-type": "text/csv"},
        "sequencer": "18EA9A092B450EE1",
    }
    assert "content-length" not in record["responseElements"]


def test_empty_object_has_no_size() -> None:
    record = event_record("s3:ObjectCreated:Put", "team", EventObject("k", 1, "null", "e", 0), ORIGIN)
    assert record["s3"]["object"] == {
        "key": "k",
        "eTag": "e",
        "versionId": "null",
        "sequencer": "0000000000000001",
    }


def test_line_is_one_line_with_raw_key() -> None:
    line = event_line({"key": "a\nü"})
    assert line.count(b"\n") == 1
    assert "ü".encode() in line
    assert json.loads(line) == {"Records": [{"key": "a\nü"}]}


def test_user_metadata_as_minio_spells_it() -> None:
    headers = {
        "x-amz-meta-my_key": "1",
        "x-amz-meta-a-b": "2",
        "Content-Type": "t",
        "x-amz-checksum-algorithm": "x",
    }
    assert user_metadata(headers) == {"X-Amz-Meta-My_key": "1", "X-Amz-Meta-A-B": "2", "content-type": "t"}


def version(version_id: str, is_marker: bool = False, sequencer: int = 7) -> VersionFacts:
    return VersionFacts(version_id, is_marker, sequencer)


V1, V2, M, NULL = version("v1"), version("v2"), version("m", True), version("null")


@pytest.mark.parametrize(
    ("target", "before", "after", "single", "bulk"),
    [
        (None, [NULL], [], Removal(DELETE, None), Removal(DELETE, None)),
        (None, [], [], Removal(NOOP, None), Removal(DELETE, None)),
        ("v9", [V1], [V1], Removal(NOOP, "v9"), Removal(DELETE, "v9")),
        (None, [V1], [V1, M], Removal(MARKER, "m", 7), Removal(MARKER, "m", 7)),
        ("v1", [V1, V2], [V2], Removal(DELETE, "v1"), Removal(DELETE, "v1")),
        ("m", [V1, M], [V1], Removal(MARKER, "m"), Removal(DELETE, "m")),
        ("v1", [V1], [V1], None, None),
    ],
    ids=["plain", "missing", "missing version", "marker made", "version", "marker removed", "locked"],
)
def test_removals(
    target: str | None,
    before: list[VersionFacts],
    after: list[VersionFacts],
    single: Removal | None,
    bulk: Removal | None,
) -> None:
    assert single_removal("k", target, before, after) == single
    assert bulk_removal("k", target, before, after) == bulk


def test_folder_marker_names_its_null_version() -> None:
    assert single_removal("d/", None, [NULL], []) == Removal(DELETE, "null")
