"""What an HTTP request means in S3 terms: bucket, key, which event it causes, which keys it touches. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

from devstack.embedded_s3.records import CREATED_POST

_PUT_EVENTS = {
    "tagging": "s3:ObjectCreated:PutTagging",
    "legal-hold": "s3:ObjectCreated:PutLegalHold",
    "retention": "s3:ObjectCreated:PutRetention",
    "acl": None,
    "partNumber": None,
}
_GET_EVENTS = {
    "legal-hold": "s3:ObjectAccessed:GetLegalHold",
    "retention": "s3:ObjectAccessed:GetRetention",
    "attributes": "s3:ObjectAccessed:Attributes",
    "tagging": None,
    "acl": None,
    "uploadId": None,
}
_DELETE_EVENTS = {"tagging": "s3:ObjectCreated:DeleteTagging", "uploadId": None}


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `key` is unescaped, "" for a call about the bucket; `query` maps names to all values."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, list[str]]
    copy_source: tuple[str, str] | None = None

    def first(self, name: str) -> str | None:
        return self.query[name][0] if name in self.query else None

    @property
    def is_listen(self) -> bool:
        return self.method == "GET" and bool(self.bucket) and not self.key and "events" in self.query

    @property
    def is_bulk_delete(self) -> bool:
        return self.method == "POST" and bool(self.bucket) and not self.key and "delete" in self.query

    @property
    def is_form_post(self) -> bool:
        return self.method == "POST" and bool(self.bucket) and not self.key and "delete" not in self.query

    @property
    def is_removal(self) -> bool:
        return self.method == "DELETE" and bool(self.key) and not _DELETE_EVENTS.keys() & self.query.keys()

    @property
    def is_part_upload(self) -> bool:
        return self.method == "PUT" and "uploadId" in self.query

    @property
    def creates_bucket(self) -> bool:
        return self.method == "PUT" and bool(self.bucket) and not self.key and not self.query

    @property
    def writes(self) -> bool:
        return self.method in ("PUT", "POST", "DELETE")


def parse_call(method: str, raw_uri: str, copy_source: str | None = None) -> Call:
    """`raw_uri` as it came over the wire (path and query, still escaped)."""
    path, _, query = raw_uri.partition("?")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    return Call(method, bucket, key, parse_qs(query, keep_blank_values=True), _source(copy_source))


def object_event(call: Call) -> str | None:
    """The event of an accepted call on one object; None for removals (see `removals`) and silent calls."""
    if not call.key:
        return CREATED_POST if call.is_form_post else None
    if call.method == "HEAD":
        return "s3:ObjectAccessed:Head"
    if call.method == "POST":
        return "s3:ObjectCreated:CompleteMultipartUpload" if "uploadId" in call.query else None
    if call.method == "PUT":
        return _by_query(call, _PUT_EVENTS, "s3:ObjectCreated:" + ("Copy" if call.copy_source else "Put"))
    if call.method == "GET":
        return _by_query(call, _GET_EVENTS, "s3:ObjectAccessed:Get")
    return _by_query(call, _DELETE_EVENTS, None) if call.method == "DELETE" else None


def bulk_delete_targets(body: bytes) -> list[tuple[str, str | None]]:
    """Key and version id of each object in a DeleteObjects body; empty when it is not such XML."""
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - expat bounds entities; moto parses it anyway
    except ElementTree.ParseError:
        return []
    return [(_text(item, "Key") or "", _text(item, "VersionId")) for item in root.iterfind("{*}Object")]


def _by_query(call: Call, events: Mapping[str, str | None], default: str | None) -> str | None:
    return next((event for name, event in events.items() if name in call.query), default)


def _source(copy_source: str | None) -> tuple[str, str] | None:
    if copy_source is None:
        return None
    bucket, _, key = unquote(copy_source.partition("?")[0]).lstrip("/").partition("/")
    return bucket, key


def _text(item: ElementTree.Element, name: str) -> str | None:
    return item.findtext("{*}" + name) or None
