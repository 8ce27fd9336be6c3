"""Event records in the shape MinIO's listen API sends them.

Pure functions. The reference is tests/fixtures/minio-records: MinIO RELEASE.2025-10-15T17-29-55Z.
Keys are raw, `size` is absent for 0 bytes, removal events carry neither etag nor metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

CREATED_PUT = "s3:ObjectCreated:Put"
CREATED_POST = "s3:ObjectCreated:Post"
REMOVED_DELETE = "s3:ObjectRemoved:Delete"
REMOVED_MARKER = "s3:ObjectRemoved:DeleteMarkerCreated"
REMOVED_NOOP = "s3:ObjectRemoved:NoOP"

# Headers that MinIO reports beside the X-Amz-Meta- ones.
_REPORTED_HEADERS = frozenset(
    {
        "content-type",
        "content-encoding",
        "content-disposition",
        "content-language",
        "cache-control",
        "expires",
    }
)


@dataclass(frozen=True, slots=True)
class EventObject:
    """The object version an event is about. `size` in bytes, `etag` without quotes; None = not reported."""

    key: str
    sequencer: int
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None
    content_type: str | None = None
    user_metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Who called, and which server answered. `content_length` is the answer's, where MinIO reports it."""

    principal: str
    source_ip: str
    user_agent: str
    endpoint: str
    deployment_id: str
    node_id: str
    request_id: str
    content_length: str | None = None
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


def event_record(event_name: str, bucket: str, obj: EventObject, origin: Origin) -> dict[str, Any]:
    """One element of `Records`."""
    owner = {"principalId": origin.principal}
    return {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "awsRegion": "",
        "eventTime": origin.time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{origin.time.microsecond // 1000:03d}Z",
        "eventName": event_name,
        "userIdentity": owner,
        "requestParameters": {**owner, "region": "", "sourceIPAddress": origin.source_ip},
        "responseElements": _response_elements(origin),
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "Config",
            "bucket": {"name": bucket, "ownerIdentity": owner, "arn": f"arn:aws:s3:::{bucket}"},
            "object": _object_fields(obj),
        },
        "source": {"host": origin.source_ip, "port": "", "userAgent": origin.user_agent},
    }


def event_line(record: Mapping[str, Any]) -> bytes:
    """The record as one line of the stream."""
    return json.dumps({"Records": [record]}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def user_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Stored headers as MinIO reports them: `X-Amz-Meta-Owner` capitalised, the known others lower case."""
    reported = {}
    for name, value in metadata.items():
        lower = name.lower()
        if lower.startswith("x-amz-meta-"):
            reported["-".join(part.capitalize() for part in lower.split("-"))] = value
        elif lower in _REPORTED_HEADERS:
            reported[lower] = value
    return dict(sorted(reported.items()))


def _response_elements(origin: Origin) -> dict[str, str]:
    elements = {} if origin.content_length is None else {"content-length": origin.content_length}
    return elements | {
        "x-amz-id-2": origin.node_id,
        "x-amz-request-id": origin.request_id,
        "x-minio-deployment-id": origin.deployment_id,
        "x-minio-origin-endpoint": origin.endpoint,
    }


def _object_fields(obj: EventObject) -> dict[str, Any]:
    fields = {
        "key": obj.key,
        "size": obj.size or None,
        "eTag": obj.etag,
        "contentType": obj.content_type,
        "userMetadata": obj.user_metadata,
        "versionId": obj.version_id,
        "sequencer": f"{obj.sequencer:016X}",
    }
    return {name: value for name, value in fields.items() if value is not None}
