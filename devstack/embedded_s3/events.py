"""Events in the form in which MinIO's listen API sends them. Pure functions.

The reference is tests/fixtures/minio-records: MinIO RELEASE.2025-10-15T17-29-55Z. Keys are raw, `size` is
absent for 0 bytes, and removals have neither etag nor metadata. `responseElements` lacks the answer's length.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from devstack.embedded_s3.calls import Call

DELETED = "s3:ObjectRemoved:Delete"
MARKER_MADE = "s3:ObjectRemoved:DeleteMarkerCreated"
NOTHING_REMOVED = "s3:ObjectRemoved:NoOP"

NULL_VERSION = "null"

SERVER_ID = str(uuid.uuid4())

_SENT = {
    "ObjectAccessed": ("Get", "Head"),
    "ObjectCreated": ("Put", "Copy", "CompleteMultipartUpload", "PutTagging", "DeleteTagging"),
    "ObjectRemoved": ("Delete", "DeleteMarkerCreated", "NoOP"),
}
EVENT_NAMES = frozenset(f"s3:{kind}:{name}" for kind, names in _SENT.items() for name in (*names, "*"))
"""Event names that a listener may ask for: those that this store sends, and a wildcard for each kind."""

# Headers that MinIO reports besides those with X-Amz-Meta-.
_REPORTED = re.compile(r"content-(type|encoding|disposition|language)|cache-control|expires")


class Version(Protocol):
    """A version of a key, or a delete marker; `version_id` is "null" without versioning."""

    version_id: str
    sequencer: int
    is_marker: bool


@dataclass(frozen=True, slots=True)
class Event:
    """An event about a key. `facts` are the fields of MinIO's `s3.object` besides key and sequencer."""

    name: str
    bucket: str
    key: str
    sequencer: int
    facts: Mapping[str, Any] = field(default_factory=dict)


def removal(
    key: str, target: str | None, before: Sequence[Version], after: Sequence[Version]
) -> tuple[str, str | None, int | None]:
    """The event of an accepted removal: name, version id, and the sequencer if it made a delete marker.

    :param key: the object's key.
    :param target: the version id in the request.
    :param before: the key's versions before the removal, oldest first.
    :param after: the key's versions after it, oldest first.
    """
    known, left = {one.version_id for one in before}, {one.version_id for one in after}
    for one in after:
        if one.is_marker and one.version_id not in known:
            return MARKER_MADE, one.version_id, one.sequencer
    for one in reversed(before):
        if one.version_id not in left:
            # MinIO reports the removal of a marker, which brings the object back, like its creation.
            name = MARKER_MADE if one.is_marker else DELETED
            return name, reported_version(key, one.version_id, versioned=False), None
    return NOTHING_REMOVED, target, None


def reported_version(key: str, version_id: str, versioned: bool) -> str | None:
    """The version id in an event. Without versioning only an event about a folder marker has one.

    :param key: the object's key.
    :param version_id: the version's id.
    :param versioned: whether the bucket has, or had, versioning.
    """
    is_named = versioned or version_id != NULL_VERSION or key.endswith("/")
    return version_id if is_named else None


def reported_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Stored headers as MinIO reports them: `X-Amz-Meta-Owner` capitalised, others in lower case."""
    reported = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower.startswith("x-amz-meta-"):
            reported["-".join(part.capitalize() for part in lower.split("-"))] = value
        elif _REPORTED.fullmatch(lower):
            reported[lower] = value
    return dict(sorted(reported.items()))


def event_line(event: Event, call: Call, source_ip: str, endpoint: str) -> bytes:
    """The event as one line of the stream.

    :param event: the event.
    :param call: the call that caused it.
    :param source_ip: the address of the call's client.
    :param endpoint: this server's address.
    """
    now, owner = datetime.now(UTC), {"principalId": call.access_key() or ""}
    described = {"key": event.key, **event.facts, "sequencer": f"{event.sequencer:016X}"}
    record = {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "awsRegion": "",
        "eventTime": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z",
        "eventName": event.name,
        "userIdentity": owner,
        "requestParameters": {**owner, "region": "", "sourceIPAddress": source_ip},
        "responseElements": {
            "x-amz-id-2": SERVER_ID,
            "x-amz-request-id": f"{event.sequencer:016X}",
            "x-minio-deployment-id": SERVER_ID,
            "x-minio-origin-endpoint": endpoint,
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "Config",
            "bucket": {"name": event.bucket, "ownerIdentity": owner, "arn": f"arn:aws:s3:::{event.bucket}"},
            "object": {name: value for name, value in described.items() if value is not None},
        },
        "source": {"host": source_ip, "port": "", "userAgent": call.headers.get("user-agent", "")},
    }
    return json.dumps({"Records": [record]}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
