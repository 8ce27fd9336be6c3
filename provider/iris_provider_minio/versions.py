"""One landed version of an object, its digest and its address."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from json.encoder import encode_basestring_ascii as text
from typing import NamedTuple, Protocol
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict

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
        return digest_of(self).hex()

    @property
    def file_name(self) -> str:
        """A name for a copy: the key's last segment, at most 200 bytes, without control characters."""
        return _as_file_name(self.key.rsplit("/", 1)[-1])

    @property
    def uri(self) -> str:
        """The address `s3://bucket/key`, with `?versionId=` if there is a version id; `address_in` reads it.

        Characters that cannot be printed and typed again are escaped: control characters, `%`, `?`, `#`,
        blanks at an end, and characters that look like blanks.
        """
        suffix = f"?versionId={self.version_id}" if self.version_id else ""
        return f"s3://{self.bucket}/{_escaped(self.key)}{suffix}"


def version_id_of(raw: str | None) -> str | None:
    """A version id as the store gives it; None for that of an unversioned object."""
    return None if raw in (None, "", "null") else raw


class Address(NamedTuple):
    """The parts of `s3://bucket/key?versionId=…`; `version_id` is None if the address names no version."""

    bucket: str
    key: str
    version_id: str | None


def address_in(uri: str) -> Address | None:
    """The parts of an address that `ObjectVersion.uri` made or a person typed; None if it names no object."""
    found = re.fullmatch(
        r"s3://(?P<bucket>[^/?#]+)/(?P<key>[^?]+)(\?versionId=(?P<version>[^&]+))?", uri, re.DOTALL
    )
    return Address(found["bucket"], unquote(found["key"]), found["version"]) if found else None


class Identified(Protocol):
    """What identifies a version: its `version_id`, or etag and time in an unversioned bucket."""

    @property
    def bucket(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def version_id(self) -> str | None: ...
    @property
    def etag(self) -> str: ...
    @property
    def landed_at(self) -> datetime: ...


def digest_of(version: Identified) -> bytes:
    """The digest of a JSON list, without the time that the `json` module takes for it."""
    if version.version_id:
        told = text(version.version_id)
    else:
        told = f"{text(version.etag)}, {text(version.landed_at.isoformat())}"
    listed = f"[{text(version.bucket)}, {text(version.key)}, {told}]"
    return hashlib.sha256(listed.encode()).digest()[:16]


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
