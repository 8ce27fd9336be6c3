"""Complete HTTP answers, and S3's XML errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

_STATUS = {
    "AccessDenied": ("403 Forbidden", "Access Denied."),
    "InvalidAccessKeyId": ("403 Forbidden", "The Access Key Id you provided does not exist in our records."),
    "NoSuchBucket": ("404 Not Found", "The specified bucket does not exist"),
    "ResourceNotFound": ("404 Not Found", "There is nothing here."),
    "InvalidArgument": ("400 Bad Request", "A specified event is not supported for notifications."),
    "InvalidQueryParameterValue": ("400 Bad Request", "ping must be a whole number of seconds, 1 or more."),
    "InternalError": ("500 Internal Server Error", "The store failed; its log says why."),
    "IncompleteBody": ("400 Bad Request", "The body is shorter than its Content-Length."),
    "BucketAlreadyOwnedByYou": (
        "409 Conflict",
        "Your previous request to create the named bucket succeeded and you already own it.",
    ),
    "NotImplemented": (
        "501 Not Implemented",
        "The embedded store cannot delete in a bucket whose versioning is suspended.",
    ),
}


@dataclass(slots=True)
class Answer:
    """`body` may be a generator (a listen stream): then there is no Content-Length."""

    status: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: Iterable[bytes] = ()

    @property
    def accepted(self) -> bool:
        return self.status.startswith("2")

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def error(code: str, resource: str) -> Answer:
    """S3's XML error for one of the codes this layer gives itself."""
    status, message = _STATUS[code]
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message><Resource>{escape(resource)}</Resource></Error>"
    ).encode()
    return Answer(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))], [body])


def call_wsgi(app: Any, environ: dict[str, Any]) -> Answer:
    """Run a WSGI app to its end and keep what it answers."""
    answer = Answer("500 Internal Server Error")

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        answer.status, answer.headers = status, list(headers)

    chunks = app(environ, start_response)
    try:
        answer.body = list(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    return answer
