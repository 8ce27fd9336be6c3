"""Between moto's memory and the journal: writes what changed, and rebuilds the memory on start.

The memory is the truth while the process lives; `save_key` and `save_bucket` bring the journal level with it
and must be called under the key's lock, before the answer goes out. Survives a restart: bytes, version ids,
etags, LastModified, delete markers, order of versions, metadata, content type, tags, storage class,
checksums, encryption headers, locks; of buckets: creation date, versioning, object lock, policy and tags.
Does not: multipart uploads in progress, ACLs, lifecycle, CORS, website and notification configuration.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import moto.s3.models as models
from moto.core.models import DEFAULT_ACCOUNT_ID

from devstack.embedded_s3.broker import Sequencer
from devstack.embedded_s3.journal import Journal, KeyId, State
from devstack.embedded_s3.removals import VersionFacts
from devstack.embedded_s3.stored import StoredKey

REGION = "us-east-1"
_KEY_FIELDS = (
    *("_etag", "_version_id", "_is_versioned", "_storage_class", "sequencer", "website_redirect_location"),
    *("checksum_algorithm", "checksum_type", "checksum_value", "checksum_parts"),
    *("lock_mode", "lock_until", "lock_legal_status", "encryption", "kms_key_id", "bucket_key_enabled"),
)
_LOCK_FIELDS = ("lock_mode", "lock_until", "lock_legal_status")
_BUCKET_FIELDS = (
    *("versioning_status", "object_lock_enabled"),
    *("default_lock_mode", "default_lock_days", "default_lock_years"),
)


class Catalog:
    """moto's buckets with their journal. One per process: moto's backends are global."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: dict[KeyId, set[str]] = {}
        self._backend = models.s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self.sequencer = Sequencer()
        self.deployment_id = ""

    def load(self) -> None:
        """Replace moto's memory by the journal's content."""
        self.clear()
        state = self._journal.open()
        self.sequencer = Sequencer(state.sequencer)
        self.deployment_id = state.deployment_id
        for name, config in state.buckets.items():
            self._restore_bucket(name, config)
        self._restore_keys(state)

    def clear(self) -> None:
        """Empty moto's memory; the journal stays."""
        self._known.clear()
        for bucket in self._backend.buckets.values():
            for _, versions in bucket.keys.lists():
                _dispose(versions)
        self._backend.reset()

    def bucket(self, name: str) -> models.FakeBucket | None:
        return self._backend.buckets.get(name)

    def versions(self, bucket: str, key: str) -> list[Any]:
        """moto's objects for the key's versions, oldest first."""
        found = self.bucket(bucket)
        return list(found.keys.getlist(key, [])) if found else []

    def facts(self, bucket: str, key: str) -> list[VersionFacts]:
        return [
            VersionFacts(v.version_id, not isinstance(v, StoredKey), getattr(v, "sequencer", 0))
            for v in self.versions(bucket, key)
        ]

    def save_bucket(self, name: str) -> None:
        """Journal the bucket's configuration, or that it is gone."""
        bucket = self.bucket(name)
        config = self._bucket_record(bucket) if bucket else None
        self._journal.append({"bucket": name, "config": config})

    def save_key(self, bucket: str, key: str) -> None:
        """Journal what changed among the key's versions; frees the payloads of those that are gone."""
        versions = self.versions(bucket, key)
        changed = [record for v in versions if (record := self._changed_record(v)) is not None]
        uids = {v.uid for v in versions}
        dropped = self._known.get((bucket, key), set()) - uids
        if changed or dropped:
            line = {"bucket": bucket, "key": key, "put": changed, "drop": sorted(dropped)}
            self._journal.append(line | {"sequencer": self.sequencer.next()})
        self._settle((bucket, key), versions, changed, uids)
        for uid in dropped:
            self._journal.remove_payload(uid)

    def _settle(self, key_id: KeyId, versions: list[Any], changed: list[Any], uids: set[str]) -> None:
        records = {record["uid"]: record for record in changed}
        for version in versions:
            if version.uid in records:
                version.record = records[version.uid]
                self._read_from_disk(version)
        if uids:
            self._known[key_id] = uids
        else:
            self._known.pop(key_id, None)

    def _read_from_disk(self, version: Any) -> None:
        if isinstance(version, StoredKey) and version.size:
            version.keep_at(self._journal.payload_path(version.record["uid"]))  # type: ignore[index]

    def _changed_record(self, version: Any) -> dict[str, Any] | None:
        """The version's journal record if it is news; gives new versions their uid and payload."""
        if getattr(version, "uid", None) is None:
            self._admit(version)
        known = getattr(version, "record", None)
        record = self._record(version)
        if known is not None and any(known[name] != record[name] for name in _LOCK_FIELDS if name in known):
            version.sequencer = record["sequencer"] = self.sequencer.next()
        return record if record != known else None

    def _admit(self, version: Any) -> None:
        version.uid, version.sequencer = uuid.uuid4().hex, self.sequencer.next()
        if isinstance(version, StoredKey) and version.size:
            version._value_buffer.seek(0)
            self._journal.write_payload(version.uid, version._value_buffer)  # type: ignore[arg-type]

    def _record(self, version: Any) -> dict[str, Any]:
        common = {"uid": version.uid, "modified": version.last_modified.isoformat()}
        if not isinstance(version, StoredKey):
            return common | {"marker": version.version_id, "sequencer": version.sequencer}
        return (
            common
            | {name: getattr(version, name) for name in _KEY_FIELDS}
            | {"size": version.size, "metadata": dict(version.metadata)}
            | {"tags": self._backend.tagger.get_tag_dict_for_resource(version.arn)}
        )

    def _bucket_record(self, bucket: models.FakeBucket) -> dict[str, Any]:
        return {name: getattr(bucket, name) for name in _BUCKET_FIELDS} | {
            "created": bucket.creation_date.isoformat(),
            "policy": bucket.policy.decode() if bucket.policy else None,
            "tags": self._backend.tagger.get_tag_dict_for_resource(bucket.arn),
        }

    def _restore_bucket(self, name: str, config: dict[str, Any]) -> None:
        bucket = models.FakeBucket(name, DEFAULT_ACCOUNT_ID, REGION)  # type: ignore[abstract]
        for field in _BUCKET_FIELDS:
            setattr(bucket, field, config[field])
        bucket.creation_date = datetime.fromisoformat(config["created"])
        bucket.policy = config["policy"].encode() if config["policy"] else None
        self._restore_tags(bucket.arn, config["tags"])
        self._backend.buckets[name] = bucket

    def _restore_keys(self, state: State) -> None:
        for (bucket_name, key), records in state.keys.items():
            bucket = self._backend.buckets.get(bucket_name)
            if bucket is not None:
                versions: list[Any] = []
                for record in records.values():
                    versions.append(self._restored(bucket_name, key, record, versions))
                dict.__setitem__(bucket.keys, key, versions)
                self._known[bucket_name, key] = set(records)

    def _restored(self, bucket: str, key: str, record: dict[str, Any], older: list[Any]) -> Any:
        version: Any
        if "marker" in record:
            version = models.FakeDeleteMarker(older[-1] if older else _unknown_key(key))
            version._version_id, version.sequencer = record["marker"], record["sequencer"]
        else:
            version = self._restored_key(bucket, key, record)
        version.uid, version.record = record["uid"], record
        version.last_modified = datetime.fromisoformat(record["modified"])
        self._read_from_disk(version)
        return version

    def _restored_key(self, bucket: str, key: str, record: dict[str, Any]) -> StoredKey:
        version = StoredKey(key, b"", DEFAULT_ACCOUNT_ID, REGION, bucket_name=bucket)
        for field in _KEY_FIELDS:
            setattr(version, field, record[field])
        version.contentsize = record["size"]
        version.metadata.update(record["metadata"])
        self._restore_tags(version.arn, record["tags"])
        return version

    def _restore_tags(self, arn: str, tags: dict[str, str]) -> None:
        if tags:
            self._backend.tagger.tag_resource(arn, [{"Key": k, "Value": v} for k, v in tags.items()])


def _unknown_key(name: str) -> StoredKey:
    """What a delete marker points to whose object version was removed."""
    key = StoredKey(name, b"", DEFAULT_ACCOUNT_ID, REGION)
    key.dispose()
    return key


def _dispose(versions: list[Any]) -> None:
    for version in versions:
        if isinstance(version, StoredKey):
            version.dispose()
