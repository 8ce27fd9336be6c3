"""Object versions and their addresses."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from json.encoder import encode_basestring_ascii as text
from typing import NamedTuple
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict

from iris_core.errors import ObjectMissing

LONGEST_NAME = 200
LONGEST_ENDING = 20
"""Most bytes of a copy's name, and of its ending. A key may have 1,024 bytes, a file name often 255."""

_NOT_TYPED = re.compile(
    r"[%?#]|^\s|\s$|[^\S ]|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]"
)


class ObjectVersion(BaseModel):
    """One landed version of an object; decisions are about object versions.

    `version_id` is None in an unversioned bucket, `landed_at` is in whole seconds (as in a HEAD's answer),
    `etag` is unquoted, `size` is in bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bucket: str
    key: str
    version_id: str | None
    etag: str
    size: int
    landed_at: datetime

    @property
    def digest(self) -> str:
        """32 hex characters that identify this version everywhere (MLflow allows 36 for a digest)."""
        return _digest(self).hex()

    @property
    def file_name(self) -> str:
        """A name for a copy: the key's last segment, at most 200 bytes, without control characters."""
        return _as_file_name(self.key.rsplit("/", 1)[-1])

    @property
    def uri(self) -> str:
        """The address `s3://bucket/key`, with `?versionId=` if there is a version id; `parse_uri` reads it.

        Characters that cannot be printed and typed again are escaped: control characters, `%`, `?`, `#`,
        blanks at an end, and characters that look like blanks.
        """
        suffix = f"?versionId={self.version_id}" if self.version_id else ""
        return f"s3://{self.bucket}/{_escaped(self.key)}{suffix}"


def _digest(version: ObjectVersion | ListedVersion) -> bytes:
    """The digest of a JSON list, without the time that the `json` module takes for it."""
    if version.version_id:
        told = text(version.version_id)
    else:
        told = f"{text(version.etag)}, {text(version.landed_at.isoformat())}"
    listed = f"[{text(version.bucket)}, {text(version.key)}, {told}]"
    return hashlib.sha256(listed.encode()).digest()[:16]


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
        return _digest(self)


class Address(NamedTuple):
    """The parts of `s3://bucket/key?versionId=…`; `version_id` is None if the address names no version."""

    bucket: str
    key: str
    version_id: str | None


def parse_address(uri: str) -> Address:
    """Parse an address that `ObjectVersion.uri` made or a person typed.

    :raises ObjectMissing: it is not the address of an object.
    """
    found = re.fullmatch(
        r"s3://(?P<bucket>[^/?#]+)/(?P<key>[^?]+)(\?versionId=(?P<version>[^&]+))?", uri, re.DOTALL
    )
    if found is None:
        raise ObjectMissing(
            f"{uri!r} names no object. Expected s3://bucket/key, or s3://bucket/key?versionId=…"
        )
    return Address(found["bucket"], unquote(found["key"]), found["version"])


def _escaped(key: str) -> str:
    return _NOT_TYPED.sub(lambda found: quote(found[0], safe=""), key)


def _as_file_name(name: str) -> str:
    plain = re.sub(r"[\x00-\x1f\x7f/]", "_", name).strip()
    plain = plain if plain not in ("", ".", "..") else "object"
    if len(plain.encode()) <= LONGEST_NAME:
        return plain
    stem, dot, ending = plain.partition(".")
    ending = (dot + ending).encode()[-LONGEST_ENDING:].decode(errors="ignore")
    return stem.encode()[: LONGEST_NAME - len(ending.encode())].decode(errors="ignore") + ending
