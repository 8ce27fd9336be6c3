"""Versions in a listing, and addresses of object versions."""

from __future__ import annotations

from datetime import datetime

from iris_core.errors import ObjectMissing
from iris_provider_minio.versions import Address, ObjectVersion, address_in, digest_of

__all__ = ["Address", "ListedVersion", "ObjectVersion", "parse_address"]


class ListedVersion:
    """A version in a listing, as the store writes it; `object` is made where it is asked for.

    A look at everything asks for few objects, and needs no more of the others than their digests.

    :param bucket: the bucket.
    :param key: the key.
    :param version_id: None in an unversioned bucket.
    :param etag: unquoted.
    :param size: in bytes.
    :param modified: the time at which it landed, as `2026-01-31T12:00:00.000Z`.
    :param is_current: false below a newer version or a delete marker.
    """

    __slots__ = ("_object", "bucket", "etag", "is_current", "key", "modified", "size", "version_id")

    def __init__(
        self,
        bucket: str,
        key: str,
        version_id: str | None,
        etag: str,
        size: int,
        modified: str,
        is_current: bool,
    ) -> None:
        self.bucket = bucket
        self.key = key
        self.version_id = version_id
        self.etag = etag
        self.size = size
        self.modified = modified
        self.is_current = is_current
        self._object: ObjectVersion | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ListedVersion) and self._as_tuple() == other._as_tuple()

    def __hash__(self) -> int:
        return hash(self._as_tuple())

    def _as_tuple(self) -> tuple[object, ...]:
        return (
            self.bucket,
            self.key,
            self.version_id,
            self.etag,
            self.size,
            self.modified,
            self.is_current,
        )

    @classmethod
    def of(cls, version: ObjectVersion, is_current: bool) -> ListedVersion:
        """The entry of a version in a listing."""
        landed = version.landed_at.isoformat()
        return cls(
            version.bucket, version.key, version.version_id, version.etag, version.size, landed, is_current
        )

    @property
    def object(self) -> ObjectVersion:
        """The version; the same object each time."""
        if self._object is None:
            self._object = ObjectVersion(
                bucket=self.bucket,
                key=self.key,
                version_id=self.version_id,
                etag=self.etag,
                size=self.size,
                landed_at=self.landed_at,
            )
        return self._object

    @property
    def landed_at(self) -> datetime:
        """As of the version: in whole seconds."""
        return datetime.fromisoformat(self.modified).replace(microsecond=0)

    @property
    def second(self) -> str:
        """The second in which it landed, as `2026-01-31T12:00:00`: the earlier, the smaller."""
        return self.modified[:19]

    @property
    def day(self) -> str:
        """The day on which it landed, as in the identity of a decision: `2026-01-31`."""
        return self.modified[:10]

    @property
    def digest_bytes(self) -> bytes:
        """That of the version, as bytes."""
        return digest_of(self)


def parse_address(uri: str) -> Address:
    """Parse an address that `ObjectVersion.uri` made or a person typed.

    :raises ObjectMissing: it is not the address of an object.
    """
    found = address_in(uri)
    if found is None:
        raise ObjectMissing(
            f"{uri!r} names no object. Expected s3://bucket/key, or s3://bucket/key?versionId=…"
        )
    return found
