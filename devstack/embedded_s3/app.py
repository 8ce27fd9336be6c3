"""The thin layer around moto's S3: access, per-key locks, journal, events.

For every call: read the body, check the access key, take the locks of the keys it touches, let moto do it,
write the outcome to the journal, publish the event, answer. So when a client has its answer, the outcome is
on disk and the event is in every listener's queue, and of concurrent conditional writes exactly one wins.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request

from devstack.embedded_s3 import access, adapt
from devstack.embedded_s3.answers import Answer, call_wsgi, error
from devstack.embedded_s3.broker import Broker
from devstack.embedded_s3.calls import Call, bulk_delete_targets, object_event, parse_call
from devstack.embedded_s3.catalog import Catalog
from devstack.embedded_s3.journal import KeyId
from devstack.embedded_s3.listen import listen_answer
from devstack.embedded_s3.locks import KeyLocks
from devstack.embedded_s3.publish import Publisher
from devstack.embedded_s3.records import Origin

_HEALTH = frozenset({"/minio/health/live", "/minio/health/ready"})


@dataclass(frozen=True, slots=True)
class Visit:
    """A request with its body read. `keys` are the keys it may change; `form` is a post form's fields."""

    call: Call
    environ: dict[str, Any]
    body: bytes
    form: Mapping[str, str]
    keys: tuple[str, ...]

    @property
    def resource(self) -> str:
        return "/" + "/".join(part for part in (self.call.bucket, self.call.key) if part)

    @property
    def locked(self) -> set[KeyId]:
        """Part uploads lock nothing: they are stored beside the key until the upload is completed."""
        if self.call.is_part_upload:
            return set()
        keys = {(self.call.bucket, key) for key in self.keys}
        return keys | ({self.call.copy_source} if self.call.copy_source else set())


class EmbeddedS3App:
    """Answers requests. `inner` is moto's S3 app; `endpoint` goes into the event records.

    :param access_key: the key that is let in; several, separated by commas.
    """

    def __init__(self, inner: Any, catalog: Catalog, broker: Broker, access_key: str, endpoint: str) -> None:
        self._inner = inner
        self._catalog = catalog
        self._broker = broker
        self._access_keys = frozenset(access_key.split(","))
        self._endpoint = endpoint
        self._publisher = Publisher(catalog, broker)
        self._locks = KeyLocks()
        self._node_id = uuid.uuid4().hex * 2

    def answer(self, environ: dict[str, Any]) -> Answer:
        """Answer one request, whose `wsgi.input` holds the complete body."""
        request_id = f"{self._catalog.sequencer.next():016X}"
        answer = self._answer(environ, request_id)
        answer.headers.append(("x-amz-request-id", request_id))
        return answer

    def _answer(self, environ: dict[str, Any], request_id: str) -> Answer:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD") and environ["PATH_INFO"] in _HEALTH:
            return Answer("200 OK", [("Content-Length", "0")])
        visit = read_visit(environ)
        if refusal := self._refusal(visit):
            return refusal
        if visit.call.is_listen:
            return listen_answer(visit.call, self._broker, environ.get("werkzeug.socket"))
        with self._locks.hold(visit.locked):
            return self._run(visit, request_id)

    def _refusal(self, visit: Visit) -> Answer | None:
        presented = _presented(visit)
        if presented not in self._access_keys:
            return error("InvalidAccessKeyId" if presented else "AccessDenied", visit.resource)
        if visit.call.bucket == "moto-api":
            return error("ResourceNotFound", visit.resource)
        if visit.call.is_listen and self._catalog.bucket(visit.call.bucket) is None:
            return error("NoSuchBucket", visit.resource)
        return self._refused_by_state(visit)

    def _refused_by_state(self, visit: Visit) -> Answer | None:
        bucket = self._catalog.bucket(visit.call.bucket)
        if bucket is None:
            return None
        if visit.call.creates_bucket:
            return error("BucketAlreadyOwnedByYou", visit.resource)
        removes = visit.call.is_removal or visit.call.is_bulk_delete
        if removes and bucket.versioning_status == "Suspended":
            return error("NotImplemented", visit.resource)
        return None

    def _run(self, visit: Visit, request_id: str) -> Answer:
        call = visit.call
        before = {key: self._catalog.facts(call.bucket, key) for key in visit.keys}
        bucket = self._catalog.bucket(call.bucket)
        status = bucket.versioning_status if bucket else None
        answer = call_wsgi(self._inner, adapt.environ_for_moto(visit.environ, call, visit.body, status))
        self._save(visit)
        if answer.accepted:
            self._publish(visit, before, answer, request_id)
        return _without_null_version(answer)

    def _save(self, visit: Visit) -> None:
        """Whatever moto answered: it keeps an object whose tags it then refuses."""
        if not visit.call.writes or visit.call.is_part_upload:
            return
        for key in visit.keys:
            if key:
                self._catalog.save_key(visit.call.bucket, key)
            elif visit.call.bucket:
                self._catalog.save_bucket(visit.call.bucket)

    def _publish(self, visit: Visit, before: dict[str, Any], answer: Answer, request_id: str) -> None:
        origin = self._origin(visit, answer, request_id)
        if visit.call.is_bulk_delete:
            self._publisher.bulk_removed(visit.call, bulk_delete_targets(visit.body), before, origin)
        elif visit.call.is_removal:
            self._publisher.removed(visit.call, before, origin)
        elif event := object_event(visit.call):
            self._publisher.happened(event, visit.call, visit.keys[0], origin)

    def _origin(self, visit: Visit, answer: Answer, request_id: str) -> Origin:
        return Origin(
            principal="" if visit.call.is_form_post else _presented(visit) or "",
            source_ip=visit.environ.get("REMOTE_ADDR", ""),
            user_agent=visit.environ.get("HTTP_USER_AGENT", ""),
            endpoint=self._endpoint,
            deployment_id=self._catalog.deployment_id,
            node_id=self._node_id,
            request_id=request_id,
            content_length=_reported_length(visit.call, answer),
        )


def read_visit(environ: dict[str, Any]) -> Visit:
    """Parse a request whose body `wsgi.input` holds completely."""
    call = parse_call(environ["REQUEST_METHOD"], environ["RAW_URI"], environ.get("HTTP_X_AMZ_COPY_SOURCE"))
    body: bytes = environ["wsgi.input"].read()
    form, name = _form(call, environ, body)
    if call.is_bulk_delete:
        keys = tuple(key for key, _ in bulk_delete_targets(body))
    else:
        keys = (_form_key(form, name) if call.is_form_post else call.key,)
    return Visit(call, environ, body, form, keys)


def _form(call: Call, environ: dict[str, Any], body: bytes) -> tuple[Mapping[str, str], str]:
    """A post form's fields and the uploaded file's name."""
    if not call.is_form_post:
        return {}, ""
    content_type = environ.get("CONTENT_TYPE", "")
    with Request.from_values(method="POST", data=body, content_type=content_type) as request:
        file = request.files.get("file")
        return request.form.to_dict(), (file.filename or "") if file else ""


def _form_key(form: Mapping[str, str], file_name: str) -> str:
    return form.get("key", "").replace("${filename}", file_name.rpartition("/")[2])


def _reported_length(call: Call, answer: Answer) -> str | None:
    """What MinIO puts into `responseElements`: nothing where it sends the event before it has headers."""
    if call.method in ("GET", "HEAD"):
        return answer.header("Content-Length")
    writes_body = call.method == "POST" and not call.is_form_post
    if writes_body or call.copy_source:
        return str(sum(len(chunk) for chunk in answer.body))
    plain_put = call.is_form_post or (call.method == "PUT" and not call.query.keys() - _presigned(call))
    return None if plain_put else "0"


def _presigned(call: Call) -> set[str]:
    return {name for name in call.query if name.startswith("X-Amz-") or name in _SIGV2_QUERY}


_SIGV2_QUERY = frozenset({"AWSAccessKeyId", "Signature", "Expires", "content-type", "x-id"})


def _presented(visit: Visit) -> str | None:
    return access.presented_key(visit.call, visit.environ.get("HTTP_AUTHORIZATION", ""), visit.form)


def _without_null_version(answer: Answer) -> Answer:
    """MinIO names no version where there is none; moto sends `null` for multipart uploads."""
    null = ("x-amz-version-id", "null")
    answer.headers = [(name, value) for name, value in answer.headers if (name.lower(), value) != null]
    return answer
