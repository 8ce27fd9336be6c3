"""Which events a removal causes, told from the key's versions before and after it. Pure.

As MinIO does it (checked against RELEASE.2025-10-15T17-29-55Z): a single DELETE of something missing is a
NoOP, removing a delete marker is announced as DeleteMarkerCreated; a bulk delete says Delete in both cases.
"""

from __future__ import annotations

from dataclasses import dataclass

from devstack.embedded_s3.records import REMOVED_DELETE, REMOVED_MARKER, REMOVED_NOOP


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """One version as far as removals care. `version_id` is "null" outside versioning."""

    version_id: str
    is_marker: bool
    sequencer: int


@dataclass(frozen=True, slots=True)
class Removal:
    event_name: str
    version_id: str | None
    sequencer: int | None = None


def single_removal(
    key: str, target: str | None, before: list[VersionFacts], after: list[VersionFacts]
) -> Removal | None:
    """The event of one accepted DELETE; `target` is its versionId. None when a lock kept the object."""
    if marker := _new_marker(before, after):
        return Removal(REMOVED_MARKER, marker.version_id, marker.sequencer)
    gone = _gone(before, after)
    if gone is not None:
        return Removal(REMOVED_MARKER if gone.is_marker else REMOVED_DELETE, _reported_id(key, gone))
    return Removal(REMOVED_NOOP, target) if _missing(target, before) else None


def bulk_removal(
    key: str, target: str | None, before: list[VersionFacts], after: list[VersionFacts]
) -> Removal | None:
    """The event of one key in an accepted DeleteObjects."""
    single = single_removal(key, target, before, after)
    if single is None or _new_marker(before, after):
        return single
    return Removal(REMOVED_DELETE, single.version_id)


def _new_marker(before: list[VersionFacts], after: list[VersionFacts]) -> VersionFacts | None:
    known = {v.version_id for v in before}
    return next((v for v in after if v.is_marker and v.version_id not in known), None)


def _gone(before: list[VersionFacts], after: list[VersionFacts]) -> VersionFacts | None:
    left = {v.version_id for v in after}
    return next((v for v in reversed(before) if v.version_id not in left), None)


def _missing(target: str | None, before: list[VersionFacts]) -> bool:
    return not before if target is None else target not in {v.version_id for v in before}


def _reported_id(key: str, version: VersionFacts) -> str | None:
    return version.version_id if version.version_id != "null" or key.endswith("/") else None
