"""Saves changes of moto's memory to the disk, and rebuilds the memory on start.

While the process lives, the memory is authoritative; the changes of a call are saved before it is answered.
These survive a restart: bytes, version ids, etags, LastModified, delete markers, the order of versions,
metadata, content type, tags, storage class, checksums; of buckets creation date, versioning and lifecycle.
Multipart uploads in progress do not.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import moto.s3.models as models
from moto.core.models import DEFAULT_ACCOUNT_ID

from devstack.embedded_s3 import moto_s3
from devstack.embedded_s3.calls import Call, parse_call
from devstack.embedded_s3.disk import Disk
from devstack.embedded_s3.moto_s3 import Marker, StoredKey

REGION = "us-east-1"
_FIELDS = (
    *("_etag", "_version_id", "_is_versioned", "_storage_class"),
    *("checksum_algorithm", "checksum_type", "checksum_value", "checksum_parts"),
)
_CONFIGURATIONS = ("versioning", "lifecycle")
"""Configurations of a bucket; stored as bodies of requests, which are sent to moto again on start."""


class Catalog:
    """moto's buckets and their disk. There is one per process, because moto's backends are global."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._backend = models.s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self._configs = disk.buckets()
        self._last = 0
        moto_s3.install(disk)
        for name, config in self._configs.items():
            self._restore_bucket(name, config)
        for uid, bucket, key, record in disk.versions():
            self._restore_version(uid, bucket, key, record)

    def next_sequencer(self) -> int:
        """A number (nanoseconds) that is higher than all returned before."""
        self._last = max(self._last + 1, time.time_ns())
        return self._last

    def bucket(self, name: str) -> models.FakeBucket | None:
        """moto's bucket with this name; None if there is none."""
        return self._backend.buckets.get(name)

    def versioning(self, bucket: str) -> str | None:
        """The bucket's versioning status; None if it never had one."""
        found = self.bucket(bucket)
        return found.versioning_status if found else None

    def versions(self, bucket: str, key: str) -> list[Any]:
        """moto's objects for the key's versions and delete markers, oldest first."""
        found = self.bucket(bucket)
        return list(found.keys.getlist(key, [])) if found else []

    def save_bucket(self, call: Call, body: bytes) -> None:
        """Save the changes that a call made to its bucket."""
        found, config = self.bucket(call.bucket), self._configs.pop(call.bucket, None)
        if found:
            config = config or {"created": found.creation_date.isoformat()}
            if call.subresource in _CONFIGURATIONS:
                config[call.subresource] = body.decode() if call.method == "PUT" else None
            self._configs[call.bucket] = config
        self._disk.save_bucket(call.bucket, config if found else None)

    def save_key(self, bucket: str, key: str, before: Sequence[Any]) -> None:
        """Save the changes among a key's versions.

        :param bucket: the bucket's name.
        :param key: the key.
        :param before: the key's versions before the call.
        """
        changed, versions = [], self.versions(bucket, key)
        for one in versions:
            one.sequencer = one.sequencer or self.next_sequencer()
            record = self._record(one)
            if record != one.record:
                one.record = record
                changed.append((one.uid, bucket, key, record))
        gone = [one.uid for one in before if one not in versions]
        if changed or gone:
            self._disk.save_versions(changed, gone)

    def _record(self, version: Any) -> dict[str, Any]:
        record = {"modified": version.last_modified.isoformat(), "sequencer": version.sequencer, "size": 0}
        if version.is_marker:
            return {**record, "marker": version.version_id}
        return {
            **record,
            **{name: getattr(version, name) for name in _FIELDS},
            "size": version.size,
            "metadata": dict(version.metadata),
            "tags": self._backend.tagger.get_tag_dict_for_resource(version.arn),
        }

    def _restore_bucket(self, name: str, config: Mapping[str, Any]) -> None:
        bucket = models.FakeBucket(name, DEFAULT_ACCOUNT_ID, REGION)  # type: ignore[abstract]
        bucket.creation_date = datetime.fromisoformat(config["created"])
        self._backend.buckets[name] = bucket
        for subresource in _CONFIGURATIONS:
            if body := config.get(subresource):
                uri = f"/{name}?{subresource}"
                moto_s3.ask(parse_call("PUT", uri), uri, body.encode(), None)

    def _restore_version(self, uid: str, bucket: str, key: str, record: dict[str, Any]) -> None:
        version: Any
        if "marker" in record:
            version = Marker(SimpleNamespace(name=key))
            version._version_id = record["marker"]
        else:
            version = StoredKey(key, b"", DEFAULT_ACCOUNT_ID, REGION, bucket_name=bucket)
            for name in _FIELDS:
                setattr(version, name, record[name])
            version.contentsize = record["size"]
            version.metadata.update(record["metadata"])
            tags = [{"Key": name, "Value": value} for name, value in record["tags"].items()]
            self._backend.tagger.tag_resource(version.arn, tags)
        version.uid, version.record, version.sequencer = uid, record, record["sequencer"]
        version.last_modified = datetime.fromisoformat(record["modified"])
        self._last = max(self._last, version.sequencer)
        self._backend.buckets[bucket].keys[key] = version
