"""Answers one call after the other: a call's changes are on disk and its events known before it is answered.

So exactly one of several concurrent conditional writes wins, and a listing shows a bucket at one moment.
"""

from __future__ import annotations

from typing import Any

from devstack.embedded_s3 import events, moto_s3
from devstack.embedded_s3.calls import Answer, Call, bulk_delete_targets, error_answer
from devstack.embedded_s3.catalog import Catalog
from devstack.embedded_s3.events import Event
from devstack.embedded_s3.moto_s3 import StoredKey

Before = dict[str, list[Any]]
"""Versions of a call's keys before the call."""


class Store:
    """Answers calls."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def has(self, bucket: str) -> bool:
        """Whether there is a bucket with this name."""
        return self._catalog.bucket(bucket) is not None

    def answer(self, call: Call, raw_uri: str, body: bytes) -> tuple[Answer, list[Event]]:
        """The answer to a call, and its events.

        :param call: the parsed request.
        :param raw_uri: its path and query, escaped.
        :param body: its body.
        """
        if code := self._refusal(call, body):
            return error_answer(code, call), []
        targets = bulk_delete_targets(body) if call.is_bulk_delete else [(call.key, call.first("versionId"))]
        before = {key: self._catalog.versions(call.bucket, key) for key, _ in targets if key}
        answer = moto_s3.ask(call, raw_uri, body, self._catalog.versioning(call.bucket))
        writes = call.method not in ("GET", "HEAD") and not call.is_part_upload
        if writes:
            # Also after an error: moto keeps an object even if it then refuses its tags.
            for key, versions in before.items():
                self._catalog.save_key(call.bucket, key, versions)
        if not 200 <= answer[0] < 300:
            return answer, []
        if writes and not before:
            self._catalog.save_bucket(call, body)
        happened = (self._event(call, key, target, before) for key, target in targets)
        return answer, [event for event in happened if event]

    def _refusal(self, call: Call, body: bytes) -> str | None:
        if call.creates_bucket and self.has(call.bucket):
            return "BucketAlreadyOwnedByYou"
        suspends = call.method == "PUT" and call.subresource == "versioning" and b"Suspended" in body
        return "NotImplemented" if suspends else None

    def _event(self, call: Call, key: str, target: str | None, before: Before) -> Event | None:
        if call.is_removal or call.is_bulk_delete:
            return self._removed(call, key, target, before[key])
        return self._happened(call.event, call.bucket, key, target) if call.event else None

    def _removed(self, call: Call, key: str, target: str | None, before: list[Any]) -> Event:
        after = self._catalog.versions(call.bucket, key)
        name, version_id, sequencer = events.removal(key, target, before, after)
        number = sequencer or self._catalog.next_sequencer()
        return Event(name, call.bucket, key, number, {"versionId": version_id})

    def _happened(self, name: str, bucket: str, key: str, version_id: str | None) -> Event | None:
        """The event about the version that the call names, else the newest; None for a delete marker."""
        for one in reversed(self._catalog.versions(bucket, key)):
            if version_id in (None, one.version_id):
                return None if one.is_marker else self._described(name, bucket, one)
        return None

    def _described(self, name: str, bucket: str, version: StoredKey) -> Event:
        versioned = self._catalog.versioning(bucket) is not None
        stored = dict(version.metadata)
        facts = {
            "size": version.size or None,
            "eTag": version._etag,
            "contentType": stored.get("content-type"),
            "userMetadata": events.reported_metadata(stored),
            "versionId": events.reported_version(version.name, version.version_id, versioned),
        }
        return Event(name, bucket, version.name, version.sequencer, facts)
