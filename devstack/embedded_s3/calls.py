"""Parses requests into S3 calls, and decides which calls this store answers. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

Answer = tuple[int, dict[str, Any], bytes | memoryview]
"""Status, headers and body."""

_CREDENTIAL = re.compile(r"^AWS4-HMAC-SHA256\b.*?Credential=([^/,\s]+)/")
_SIGNATURE_V2 = re.compile(r"^AWS [^:\s]+:")
_PARAMETER = re.compile(
    r"continuation-token|delimiter|encoding-type|fetch-owner|list-type|metadata|partNumber|ping|prefix|start-after"
    r"|suffix|versionId|x-id|max-(keys|parts|uploads)|((key|part-number|upload-id|version-id)-)?marker"
    r"|X-Amz-.+|response-.+"
)
"""Query names that only modify an operation; any other name means another operation."""

_BUCKET = frozenset(
    [(method, "") for method in ("GET", "HEAD", "PUT", "DELETE")]
    + [("GET", name) for name in ("events", "location", "uploads", "versions")]
    + [(method, "lifecycle") for method in ("GET", "PUT", "DELETE")]
    + [("GET", "versioning"), ("PUT", "versioning"), ("POST", "delete")]
)
_OBJECT = {
    ("GET", ""): "s3:ObjectAccessed:Get",
    ("HEAD", ""): "s3:ObjectAccessed:Head",
    ("PUT", ""): "s3:ObjectCreated:Put",
    ("DELETE", ""): None,
    ("GET", "tagging"): None,
    ("PUT", "tagging"): "s3:ObjectCreated:PutTagging",
    ("DELETE", "tagging"): "s3:ObjectCreated:DeleteTagging",
    ("POST", "uploads"): None,
    ("GET", "uploadId"): None,
    ("PUT", "uploadId"): None,
    ("POST", "uploadId"): "s3:ObjectCreated:CompleteMultipartUpload",
    ("DELETE", "uploadId"): None,
}
"""Supported calls about an object, and the event that each causes; for removals see `events.removal`."""

_REFUSED_HEADERS = ("x-amz-object-lock-", "x-amz-bucket-object-lock-", "x-amz-server-side-encryption")
"""Beginnings of headers that ask for features this store lacks; such calls are refused, not ignored."""

_ERRORS = {
    "AccessDenied": (403, "Access Denied."),
    "InvalidAccessKeyId": (403, "The Access Key Id you provided does not exist in our records."),
    "NoSuchBucket": (404, "The specified bucket does not exist"),
    "InvalidArgument": (400, "A specified event is not supported for notifications."),
    "InvalidQueryParameterValue": (400, "ping must be a whole number of seconds, 1 or more."),
    "BucketAlreadyOwnedByYou": (409, "You created this bucket already, and you own it."),
    "NotImplemented": (501, "The embedded store does not implement this; a real MinIO does."),
    "InternalError": (500, "The store failed; its log says why."),
}


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `key` is unescaped, "" for a call about the bucket; `query` maps names to all values."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]

    def first(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return self.query[name][0] if name in self.query else None

    @property
    def subresource(self) -> str:
        """The part of the bucket or object: "" for itself, `tagging`, …; several are joined."""
        return "&".join(sorted(name for name in self.query if not _PARAMETER.fullmatch(name)))

    @property
    def is_listen(self) -> bool:
        return self.subresource == "events"

    @property
    def is_bulk_delete(self) -> bool:
        return self.method == "POST" and self.subresource == "delete"

    @property
    def is_removal(self) -> bool:
        return self.method == "DELETE" and bool(self.key) and not self.subresource

    @property
    def is_part_upload(self) -> bool:
        """Whether the call uploads a part whose bytes come with the request, not from another object."""
        copies = "x-amz-copy-source" in self.headers
        return self.method == "PUT" and self.subresource == "uploadId" and not copies

    @property
    def creates_bucket(self) -> bool:
        return self.method == "PUT" and not self.key and not self.subresource

    @property
    def event(self) -> str | None:
        """The event that the accepted call causes; None for removals, and for calls without an event."""
        name = _OBJECT.get((self.method, self.subresource)) if self.key else None
        copies = name == "s3:ObjectCreated:Put" and "x-amz-copy-source" in self.headers
        return "s3:ObjectCreated:Copy" if copies else name

    def access_key(self) -> str | None:
        """The access key in the header or the presigned query; the signature is not verified."""
        found = _CREDENTIAL.match(self.headers.get("authorization", ""))
        credential = found[1] if found else self.first("X-Amz-Credential")
        return credential.partition("/")[0] if credential else None


def parse_call(method: str, raw_uri: str, headers: Mapping[str, str] | None = None) -> Call:
    """Parse a request into a call.

    :param method: GET, PUT, …
    :param raw_uri: path and query as received, still escaped.
    :param headers: the headers, by lower-case names.
    """
    path, _, query = raw_uri.partition("?")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    return Call(method, bucket, key, parse_qs(query, keep_blank_values=True), headers or {})


def refusal(call: Call, access_keys: frozenset[str]) -> str | None:
    """The error code for a call that is not allowed or not supported; None for others."""
    signed_v2 = _SIGNATURE_V2.match(call.headers.get("authorization", "")) or "AWSAccessKeyId" in call.query
    if not signed_v2 and call.access_key() not in access_keys:
        return "InvalidAccessKeyId" if call.access_key() else "AccessDenied"
    asked = (call.method, call.subresource)
    known = asked in (_OBJECT if call.key else _BUCKET) if call.bucket else asked == ("GET", "")
    odd = any(name.startswith(_REFUSED_HEADERS) for name in call.headers)
    return "NotImplemented" if signed_v2 or odd or not known else None


def error_answer(code: str, call: Call) -> Answer:
    """S3's XML answer for an error of the store itself."""
    status, message = _ERRORS[code]
    resource = escape(f"/{call.bucket}/{call.key}".rstrip("/"))
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message><Resource>{resource}</Resource></Error>"
    )
    return status, {"Content-Type": "application/xml"}, body.encode()


def bulk_delete_targets(body: bytes) -> list[tuple[str, str | None]]:
    """Key and version id of each object in a DeleteObjects body; empty if it is no such XML."""
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - expat bounds entities; moto parses it anyway
    except ElementTree.ParseError:
        return []
    found = root.iterfind("{*}Object")
    return [(item.findtext("{*}Key") or "", item.findtext("{*}VersionId") or None) for item in found]
