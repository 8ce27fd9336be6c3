"""Events and removals without a server."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from devstack.embedded_s3.calls import parse_call
from devstack.embedded_s3.events import Event, event_line, removal, reported_metadata

pytestmark = pytest.mark.unit

DELETE, MARKER, NOOP = (f"s3:ObjectRemoved:{n}" for n in ("Delete", "DeleteMarkerCreated", "NoOP"))
CALL = parse_call("PUT", "/team/k?X-Amz-Credential=iris%2F2026", {"user-agent": "Boto3"})
ORIGIN = (CALL, "127.0.0.1", "http://127.0.0.1:9000")


def record(event: Event) -> dict[str, dict[str, object]]:
    [found] = json.loads(event_line(event, *ORIGIN))["Records"]
    return dict(found)


def test_a_line_has_the_raw_key_and_what_is_known() -> None:
    event = Event("s3:ObjectCreated:Put", "team", "a\nü b.csv", 0x18EA9A092B450EE1, {"size": 8, "eTag": None})
    line = event_line(event, *ORIGIN)
    assert line.count(b"\n") == 1
    assert "ü".encode() in line
    assert record(event)["s3"]["object"] == {
        "key": "a\nü b.csv",
        "size": 8,
        "sequencer": "18EA9A092B450EE1",
    }
    assert record(event)["s3"]["bucket"] == {
        "name": "team",
        "ownerIdentity": {"principalId": "iris"},
        "arn": "arn:aws:s3:::team",
    }
    assert record(event)["source"] == {"host": "127.0.0.1", "port": "", "userAgent": "Boto3"}


def test_metadata_as_minio_spells_it() -> None:
    headers = {
        "x-amz-meta-my_key": "1",
        "x-amz-meta-a-b": "2",
        "Content-Type": "t",
        "x-amz-checksum-algorithm": "x",
    }
    assert reported_metadata(headers) == {
        "X-Amz-Meta-My_key": "1",
        "X-Amz-Meta-A-B": "2",
        "content-type": "t",
    }


@dataclass
class Told:
    version_id: str
    is_marker: bool = False
    sequencer: int = 7


V1, V2, M, NULL = Told("v1"), Told("v2"), Told("m", is_marker=True), Told("null")


@pytest.mark.parametrize(
    ("target", "before", "after", "event"),
    [
        (None, [NULL], [], (DELETE, None, None)),
        (None, [], [], (NOOP, None, None)),
        ("v9", [V1], [V1], (NOOP, "v9", None)),
        (None, [V1], [V1, M], (MARKER, "m", 7)),
        ("v1", [V1, V2], [V2], (DELETE, "v1", None)),
        ("m", [V1, M], [V1], (MARKER, "m", None)),
    ],
    ids=["plain", "missing", "missing version", "marker made", "version", "marker removed"],
)
def test_removals(
    target: str | None, before: list[Told], after: list[Told], event: tuple[str, str | None, int | None]
) -> None:
    assert removal("k", target, before, after) == event


def test_a_folder_marker_names_its_null_version() -> None:
    assert removal("d/", None, [NULL], []) == (DELETE, "null", None)
