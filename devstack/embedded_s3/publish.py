"""From an accepted call to the lines listeners get. Called under the lock of the keys concerned."""

from __future__ import annotations

from dataclasses import replace

from devstack.embedded_s3.broker import Broker
from devstack.embedded_s3.calls import Call
from devstack.embedded_s3.catalog import Catalog
from devstack.embedded_s3.records import (
    REMOVED_NOOP,
    EventObject,
    Origin,
    event_line,
    event_record,
    user_metadata,
)
from devstack.embedded_s3.removals import Removal, VersionFacts, bulk_removal, single_removal
from devstack.embedded_s3.stored import NULL_VERSION, StoredKey

Facts = dict[str, list[VersionFacts]]


class Publisher:
    """Looks objects up after the fact and publishes what happened to them."""

    def __init__(self, catalog: Catalog, broker: Broker) -> None:
        self._catalog = catalog
        self._broker = broker

    def happened(self, event_name: str, call: Call, key: str, origin: Origin) -> None:
        """An object was created, changed or read: the version the call names, else the newest."""
        version = self._version(call.bucket, key, call.first("versionId"))
        if version is not None:
            self._send(event_name, call.bucket, self._described(call.bucket, version), origin)

    def removed(self, call: Call, before: Facts, origin: Origin) -> None:
        """One DELETE."""
        after = self._catalog.facts(call.bucket, call.key)
        removal = single_removal(call.key, call.first("versionId"), before[call.key], after)
        if removal is not None and removal.event_name == REMOVED_NOOP:
            origin = replace(origin, content_length=None)
        self._send_removal(call.bucket, call.key, removal, origin)

    def bulk_removed(
        self, call: Call, targets: list[tuple[str, str | None]], before: Facts, origin: Origin
    ) -> None:
        """One event for each key of a DeleteObjects, in the order of the request."""
        for key, target in targets:
            after = self._catalog.facts(call.bucket, key)
            self._send_removal(call.bucket, key, bulk_removal(key, target, before[key], after), origin)

    def _send_removal(self, bucket: str, key: str, removal: Removal | None, origin: Origin) -> None:
        if removal is not None:
            sequencer = removal.sequencer or self._catalog.sequencer.next()
            obj = EventObject(key=key, version_id=removal.version_id, sequencer=sequencer)
            self._send(removal.event_name, bucket, obj, origin)

    def _send(self, event_name: str, bucket: str, obj: EventObject, origin: Origin) -> None:
        if self._broker.wants(event_name, bucket, obj.key):
            line = event_line(event_record(event_name, bucket, obj, origin))
            self._broker.publish(event_name, bucket, obj.key, line)

    def _version(self, bucket: str, key: str, version_id: str | None) -> StoredKey | None:
        for version in reversed(self._catalog.versions(bucket, key)):
            if version_id is None or version.version_id == version_id:
                return version if isinstance(version, StoredKey) else None
        return None

    def _described(self, bucket: str, version: StoredKey) -> EventObject:
        headers = dict(version.metadata)
        reported = user_metadata(headers)
        if version.lock_legal_status:
            reported["x-amz-object-lock-legal-hold"] = version.lock_legal_status
        if version.lock_mode:
            reported["x-amz-object-lock-mode"] = version.lock_mode
            reported["x-amz-object-lock-retain-until-date"] = str(version.lock_until)
        return EventObject(
            key=version.name,
            sequencer=version.sequencer,
            version_id=self._reported_version(bucket, version),
            etag=str(version._etag),
            size=version.size,
            content_type=headers.get("content-type"),
            user_metadata=reported,
        )

    def _reported_version(self, bucket: str, version: StoredKey) -> str | None:
        """MinIO names the null version of folder markers and of buckets that have, or had, versioning."""
        found = self._catalog.bucket(bucket)
        versioned = found is not None and found.versioning_status is not None
        if version.version_id == NULL_VERSION and not versioned and not version.name.endswith("/"):
            return None
        return version.version_id
