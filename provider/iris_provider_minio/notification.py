"""Reads MinIO's notification records from its listen stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from iris_provider_minio.errors import StoreUnusable
from iris_provider_minio.versions import ObjectVersion

LANDED = frozenset(f"s3:ObjectCreated:{what}" for what in ("Put", "Post", "Copy", "CompleteMultipartUpload"))
"""Event names that mean new content; tagging, retention and legal hold are `ObjectCreated` too."""


def landed(line: bytes) -> Iterator[ObjectVersion]:
    """The object versions that have landed according to one line of the stream; none for a ping.

    Keys are raw on the stream (a webhook target escapes them). `size` is absent for 0 bytes.

    :raises StoreUnusable: the line is nothing that MinIO sends.
    """
    try:
        records = json.loads(line)["Records"] or []
        for record in records:
            if record["eventName"] in LANDED and not record["s3"]["object"]["key"].endswith("/"):
                yield _version(record)
    except (ValueError, KeyError, TypeError) as error:
        raise StoreUnusable(
            f"The notification stream sent something else than records: {line[:80]!r}"
        ) from error


def _version(record: dict[str, Any]) -> ObjectVersion:
    described = record["s3"]["object"]
    version_id = described.get("versionId")
    return ObjectVersion(
        bucket=record["s3"]["bucket"]["name"],
        key=described["key"],
        version_id=None if version_id in (None, "", "null") else version_id,
        etag=described.get("eTag", ""),
        size=described.get("size", 0),
        landed_at=datetime.fromisoformat(record["eventTime"]).replace(microsecond=0),
    )
