"""Putting an object under any key, as it is: clients refuse, escape or resolve what stores take."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.message import Message
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote, urlsplit

from minio.credentials.credentials import Credentials
from minio.signer import presign_v4

from iris_core.errors import IrisError, StoreError
from iris_core.store.objects import StoreAccess
from iris_core.store.versions import ObjectVersion

TIMEOUT_S = 60
SIGNED_FOR = timedelta(minutes=10)


class NotTaken(IrisError):
    """The store refuses the object, and would again."""


def send(access: StoreAccess, bucket: str, key: str, data: bytes) -> ObjectVersion:
    """Put an object in one request; `..` and all stay in its key.

    :param access: of a store without TLS.
    :raises NotTaken: the store refuses the object.
    :raises StoreError: no answer, or the store cannot now.
    """
    where = f"s3://{bucket}/{key[:80]!r}"
    try:
        status, headers = _put(access, f"/{bucket}/{quote(key)}", data)
    except (OSError, HTTPException) as error:
        raise StoreError(f"{where}: no answer from the store ({error}).") from error
    if status == HTTPStatus.OK:
        return ObjectVersion(
            bucket=bucket,
            key=key,
            version_id=headers["x-amz-version-id"],
            etag=headers["ETag"].strip('"'),
            size=len(data),
            landed_at=datetime.now(UTC).replace(microsecond=0),
        )
    if status == HTTPStatus.BAD_REQUEST:
        raise NotTaken(f"{where}: the store answered {status}")
    raise StoreError(f"{where}: the store answered {status}.")


def _put(access: StoreAccess, path: str, data: bytes) -> tuple[int, Message]:
    url = urlsplit(f"{access.endpoint_url}{path}")
    signed = presign_v4(
        method="PUT",
        url=url,
        region=access.region,
        credentials=Credentials(access.access_key_id, access.secret_access_key),
        date=datetime.now(UTC),
        expires=int(SIGNED_FOR.total_seconds()),
    )
    connection = HTTPConnection(url.netloc, timeout=TIMEOUT_S)
    with closing(connection):
        connection.request("PUT", f"{signed.path}?{signed.query}", data, {"Content-Type": "text/csv"})
        with connection.getresponse() as answer:
            answer.read()
            return answer.status, answer.headers
