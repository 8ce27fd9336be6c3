"""Calls moto's S3 without its server, and adapts it to a store with objects on disk.

Calls come one at a time, except part uploads. These are changed before moto sees them:
- credentials and host, from which moto takes account, partition, region and even the bucket;
- `If-Match` without quotes, which moto's HEAD refuses, and the region of a new bucket, which moto may refuse;
- `versionId=null` on a bucket that was never versioned, which moto answers with 400;
- the removal of a folder marker (`dir/`), which MinIO does not version: it gets the null version.
"""

from __future__ import annotations

import hashlib
import mmap
import uuid
from collections import deque
from collections.abc import Iterable
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote_plus, urlencode

import moto.s3.models as models
from moto.core.request import Request
from moto.core.responses import ActionResult
from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML, NoSuchUpload
from moto.s3.responses import S3Response
from moto.s3.utils import _VersionedKeyStore
from moto.settings import S3_UPLOAD_PART_MIN_SIZE
from werkzeug.exceptions import HTTPException

from devstack.embedded_s3.calls import Answer, Call
from devstack.embedded_s3.disk import Disk
from devstack.embedded_s3.events import NULL_VERSION

_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=EMBEDDED/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
)
_KEYS = {"Key", "Prefix", "KeyMarker", "NextKeyMarker"}
_NOT_METADATA = frozenset({"x-amz-content-sha256", "content-md5"})
"""Request headers that moto would store and send back with every GET."""


class _Request(Request):
    """A request whose body stays bytes, whatever its content type."""

    want_form_data_parsed = False


class _Response(S3Response):
    """Escapes the keys in a listing of versions if the client asks for it: XML cannot hold every key.

    Answers as S3 to one who completes an upload that is gone, which moto takes for there.
    """

    def _key_response(self, request: Any, full_url: str) -> Any:
        try:
            return super()._key_response(request, full_url)
        except KeyError:
            if not (uploads := self.querystring.get("uploadId")):
                raise
            raise NoSuchUpload(upload_id=uploads[0]) from None

    def serialized(self, action_result: ActionResult) -> Any:
        found: Any = action_result.result
        if self.data.get("Action") == "ListObjectVersions" and "encoding-type" in self.querystring:
            for one in (found, *found["Versions"], *found["DeleteMarkers"], *found.get("CommonPrefixes", ())):
                one |= {name: quote_plus(one[name] or "", safe="/") for name in _KEYS & one.keys()}
            found["EncodingType"] = "url"
        return super().serialized(action_result)


class Parts(tuple[str, ...]):
    """The uids of a multipart upload's parts, which stand for its bytes."""


class StoredKey(models.FakeKey):
    """An object version whose payload is on disk from the start; `record` is what the catalog saved.

    Unlike moto's class, it does not keep every key alive, compute etags on first use, or copy payloads for a
    listing.
    """

    disk: ClassVar[Disk]
    is_marker = False

    def __init__(self, name: str, value: bytes, *args: Any, **kwargs: Any) -> None:
        self.uid = uuid.uuid4().hex
        self.record: dict[str, Any] | None = None
        self.sequencer = 0
        super().__init__(name, value, *args, **kwargs)
        self.multipart = None  # its parts are joined, and can go
        if self._etag is None:
            self._etag = hashlib.md5(value, usedforsecurity=False).hexdigest()
        if str(name).endswith("/"):
            self._version_id, self._is_versioned = NULL_VERSION, False

    @property
    def value(self) -> Any:
        """The payload, mapped into memory, so that only the requested range is read."""
        if not self.contentsize:
            return b""
        with self.disk.path(self.uid).open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    @value.setter
    def value(self, new: Any) -> None:
        if isinstance(new, Parts):
            self.contentsize = self.disk.join(self.uid, new)
            return
        self.contentsize = len(new)
        if self.contentsize:
            self.disk.write(self.uid, new)

    @property
    def last_modified_ISO8601(self) -> str:  # noqa: N802 - moto's name
        """The time with milliseconds, as in MinIO's listings."""
        return self.last_modified.isoformat(timespec="milliseconds") + "Z"

    def set_metadata(self, metadata: Any, replace: bool = False) -> None:
        kept = {name: value for name, value in metadata.items() if name.lower() not in _NOT_METADATA}
        super().set_metadata(kept, replace)

    def dispose(self, garbage: bool = False) -> None:  # noqa: ARG002 - moto's
        """Give up the payload; called when moto drops the version, or when nothing refers to it any more."""
        if self.uid:
            self.disk.condemn(self.uid)

    def __deepcopy__(self, memo: dict[int, Any]) -> StoredKey:
        twin = object.__new__(StoredKey)
        twin.__dict__.update(self.__dict__)
        twin.uid = ""
        return twin


class Marker(models.FakeDeleteMarker):
    """A delete marker that the catalog can save."""

    is_marker = True

    def __init__(self, key: Any) -> None:
        super().__init__(key)
        self.uid = uuid.uuid4().hex
        self.record: dict[str, Any] | None = None
        self.sequencer = 0


class Multipart(models.FakeMultipart):
    """A multipart upload that is joined on disk; moto's class joins and hashes the parts in memory."""

    def complete(self, body: Iterable[tuple[int, str]]) -> tuple[Any, str, None]:
        """The parts instead of a value, the etag, and no checksum."""
        parts: list[StoredKey] = []
        for number, etag in body:
            part: Any = self.parts.get(number)
            if part is None or part.etag.strip('"') != etag.strip('"'):
                raise InvalidPart
            if parts and parts[-1].size < S3_UPLOAD_PART_MIN_SIZE:
                raise EntityTooSmall
            parts.append(part)
        if not parts:
            raise MalformedXML
        digests = b"".join(bytes.fromhex(str(part._etag)) for part in parts)
        etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
        return Parts(part.uid for part in parts), etag, None


class KeyStore(_VersionedKeyStore):
    """A bucket's keys, each with its versions, oldest first."""

    def setlist(self, key: Any, list_: Any) -> Any:
        """Set a key's versions; a folder marker replaces the earlier one, even in a versioned bucket."""
        newest = list_[-1] if list_ else None
        if newest is not None and newest.version_id == NULL_VERSION:
            list_ = [one for one in list_[:-1] if one.version_id != NULL_VERSION] + [newest]
        super().setlist(key, list_)


def install(disk: Disk) -> None:
    """Make moto use the classes of this module, for the life of the process."""
    StoredKey.disk = disk
    vars(models)["FakeKey"] = StoredKey
    vars(models)["FakeDeleteMarker"] = Marker
    vars(models)["FakeMultipart"] = Multipart
    vars(models)["_VersionedKeyStore"] = KeyStore
    tracked: list[Any] = [StoredKey, Marker, Multipart, models.FakeBucket]
    for cls in tracked:
        cls.instances_tracked = deque(maxlen=0)


def ask(call: Call, raw_uri: str, body: bytes, versioning: str | None) -> Answer:
    """moto's answer to a call.

    :param call: the parsed request.
    :param raw_uri: its path and query, escaped.
    :param body: its body.
    :param versioning: the bucket's versioning status before the call; None if it never had one.
    """
    uri, data = _shown_uri(call, raw_uri, versioning), b"" if call.creates_bucket else body
    shown = {"authorization": _AUTHORIZATION, "host": "localhost", "content-length": str(len(data))}
    headers = {**call.headers, **shown}
    headers |= {name: _quoted(headers[name]) for name in ("if-match", "if-none-match") if name in headers}
    request = _Request.from_primitives(call.method, f"http://localhost{uri}", headers, data)
    request.environ |= {"RAW_URI": uri, "wsgi.input_terminated": True}
    dispatch = _Response.key_dispatch if call.key else _Response.bucket_dispatch
    try:
        status, answered, content = dispatch(request, request.raw_url, request.headers)
    except HTTPException as error:
        status, answered, content = error.code or 500, dict(error.get_headers()), error.get_body()
    if answered.get("x-amz-version-id") == NULL_VERSION:
        # MinIO names no version without versioning; for multipart uploads moto does.
        del answered["x-amz-version-id"]
    return status, answered, content.encode() if isinstance(content, str) else content


def _shown_uri(call: Call, raw_uri: str, versioning: str | None) -> str:
    version = call.first("versionId")
    if versioning is None and version == NULL_VERSION:
        return _with_version(raw_uri, None)
    if call.is_removal and versioning and version is None and call.key.endswith("/"):
        return _with_version(raw_uri, NULL_VERSION)
    return raw_uri


def _with_version(raw_uri: str, version: str | None) -> str:
    path, _, query = raw_uri.partition("?")
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != "versionId"]
    return f"{path}?{urlencode(kept + ([('versionId', version)] if version else []))}"


def _quoted(etag: str) -> str:
    return etag if etag == "*" or '"' in etag else f'"{etag}"'
