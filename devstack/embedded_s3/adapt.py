"""What moto must be shown so that it behaves like MinIO.

- Credentials and Host are replaced: moto takes account, partition, region and even the bucket from them.
- `If-Match` without quotes is refused by moto's HEAD: quoted here.
- Creating a bucket names no region: moto refuses `us-east-1` as a location constraint, MinIO ignores it.
- `versionId=null` on a bucket that never was versioned: moto answers 400.
- Folder markers (`dir/`) are not versioned in MinIO: deleting one names its null version.
"""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import parse_qsl, urlencode

from devstack.embedded_s3.calls import Call

_AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=EMBEDDED/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
)
_ETAG_HEADERS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")


def environ_for_moto(
    environ: dict[str, Any], call: Call, body: bytes, versioning: str | None
) -> dict[str, Any]:
    """A copy of `environ`; `versioning` is the bucket's status before the call."""
    if call.creates_bucket:
        body = b""
    shown = {name: value for name, value in environ.items() if not name.startswith("HTTP_X_MOTO_")}
    shown |= {
        "HTTP_AUTHORIZATION": _AUTHORIZATION,
        "HTTP_HOST": "localhost",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
    }
    shown |= {name: _quoted(shown[name]) for name in _ETAG_HEADERS if name in shown}
    return shown | _query(shown, call, versioning)


def _quoted(etag: str) -> str:
    return etag if etag == "*" or '"' in etag else f'"{etag}"'


def _query(environ: dict[str, Any], call: Call, versioning: str | None) -> dict[str, str]:
    """The query variables to replace, if any."""
    version = call.first("versionId")
    if versioning is None and version == "null":
        return _with_query(environ, None)
    if call.is_removal and versioning and version is None and call.key.endswith("/"):
        return _with_query(environ, "null")
    return {}


def _with_query(environ: dict[str, Any], version: str | None) -> dict[str, str]:
    pairs = parse_qsl(environ["QUERY_STRING"], keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name != "versionId"]
    query = urlencode(kept + ([("versionId", version)] if version else []))
    path = environ["RAW_URI"].partition("?")[0]
    uri = f"{path}?{query}" if query else path
    return {"QUERY_STRING": query, "RAW_URI": uri, "REQUEST_URI": uri}
