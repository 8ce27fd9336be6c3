"""Object versions and their addresses."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
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
        identity = [self.bucket, self.key]
        if self.version_id:
            identity.append(self.version_id)
        else:
            identity += [self.etag, self.landed_at.isoformat()]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]

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


@dataclass(frozen=True)
class ListedVersion:
    """A version in a listing; `is_current` is false below a newer version or a delete marker."""

    object: ObjectVersion
    is_current: bool


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
