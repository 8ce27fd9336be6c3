"""Reads MinIO's notification records, from its listen stream and from its targets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from iris_provider_minio.errors import StoreUnusable
from iris_provider_minio.versions import ObjectVersion, version_id_of

LANDED = frozenset(f"s3:ObjectCreated:{what}" for what in ("Put", "Post", "Copy", "CompleteMultipartUpload"))
"""Event names that mean new content; tagging, retention and legal hold are `ObjectCreated` too."""


LONGEST_KEY = 1024
VERSION_ID = re.compile("[!-~]{1,1024}")


def landed(line: bytes, are_keys_escaped: bool = False) -> Iterator[ObjectVersion]:
    """The object versions that have landed according to one line of the stream; none for a ping.

    `size` is absent for 0 bytes.

    :param line: the line, or the message of a target.
    :param are_keys_escaped: whether keys are escaped, as in the messages of webhook, Kafka and other targets;
        on the stream they are raw.
    :raises StoreUnusable: the line is nothing that MinIO sends.
    """
    try:
        records = json.loads(line)["Records"] or []
        for record in records:
            if record["eventName"] in LANDED:
                version = _version(record, are_keys_escaped)
                if not version.key.endswith("/"):
                    yield version
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise StoreUnusable(
            f"The notification stream sent something else than records: {line[:80]!r}"
        ) from error


def _version(record: dict[str, Any], is_key_escaped: bool) -> ObjectVersion:
    described = record["s3"]["object"]
    key, version_id = described["key"], version_id_of(described.get("versionId"))
    key = unquote_plus(key, errors="strict") if is_key_escaped else key
    if len(key.encode()) > LONGEST_KEY or not VERSION_ID.fullmatch(version_id or "null"):
        raise ValueError("no key or version id of an object store")
    return ObjectVersion(
        bucket=record["s3"]["bucket"]["name"],
        key=key,
        version_id=version_id,
        etag=described.get("eTag", ""),
        size=described.get("size", 0),
        landed_at=datetime.fromisoformat(record["eventTime"]).replace(microsecond=0),
    )
