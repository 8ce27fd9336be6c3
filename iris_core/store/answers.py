"""Answers of the store's clients in our terms: errors, object versions, keys that no client can send."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

import urllib3
from minio.error import MinioException, S3Error
from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError

from iris_core.errors import KeyUnreadable, ObjectMissing, StoreError
from iris_core.store.versions import ObjectVersion
from iris_provider_minio.versions import version_id_of

_ODD_KEY = re.compile(r"[\x00-\x1f\x7f]|^/|//|(^|/)\.{1,2}(/|$)")
_REFUSALS = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
_NO_BUCKET = "NoSuchBucket"
_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "PreconditionFailed"})
_FORBIDDEN = re.compile(r"status code: 40[13]\b")
"""Matches errors about a refused listing or a refused writer, for which obstore has no type."""


def is_plain(key: str) -> bool:
    """Whether obstore sends this key unchanged: without control characters, empty segments, `.` and `..`."""
    return _ODD_KEY.search(key) is None


def check_readable(bucket: str, key: str) -> None:
    """Refuse a key that HTTP clients would change before they send it.

    :raises KeyUnreadable: the key has a segment `.` or `..`.
    """
    if dots := [segment for segment in key.split("/") if segment in (".", "..")]:
        raise KeyUnreadable(
            f"s3://{bucket}/{key}: the key has a segment {dots[0]!r}, which clients resolve like a "
            "folder's, so the object cannot be read. Copy it to a key without one, and delete this one."
        )


def described(bucket: str, meta: Any) -> ObjectVersion:
    """The object version that obstore describes."""
    return ObjectVersion(
        bucket=bucket,
        key=meta["path"],
        version_id=version_id_of(meta["version"]),
        etag=(meta["e_tag"] or "").strip('"'),
        size=meta["size"],
        landed_at=meta["last_modified"].replace(microsecond=0),
    )


@contextmanager
def writing_errors() -> Iterator[None]:
    """Turn the plain OSErrors of obstore's writer into errors of obstore's own type."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BaseError(str(error)) from error


@contextmanager
def store_errors(bucket: str, key: str) -> Iterator[None]:
    """Turn the clients' errors into ours, which name the object and the store's answer."""
    where = f"s3://{bucket}/{key}"
    try:
        yield
    except (FileNotFoundError, PreconditionError) as error:
        if _NO_BUCKET in str(error):
            raise ObjectMissing(_without_bucket(where, bucket)) from error
        raise ObjectMissing(f"{where} is not there, or no longer in this version.") from error
    except S3Error as error:
        if error.code in _REFUSALS:
            raise StoreError(_refused(where)) from error
        if error.code == _NO_BUCKET:
            raise ObjectMissing(_without_bucket(where, bucket)) from error
        kind = ObjectMissing if error.code in _GONE else StoreError
        raise kind(f"{where}: the store answered {error.code} ({error.message}).") from error
    except (BaseError, MinioException, urllib3.exceptions.HTTPError, ExpatError, ParseError) as error:
        if isinstance(error, PermissionDeniedError) or _FORBIDDEN.search(str(error)):
            raise StoreError(_refused(where)) from error
        if _NO_BUCKET in str(error):
            raise StoreError(_without_bucket(where, bucket)) from error
        raise StoreError(f"{where}: no answer from the store ({_first_line(error)}).") from error


def _refused(where: str) -> str:
    return (
        f"{where}: the store refused the credentials. Check the connection minio_default, "
        "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    )


def _without_bucket(where: str, bucket: str) -> str:
    return (
        f"{where}: the store has no bucket {bucket!r}. Create it, or correct the variable that names it: "
        "TEAM_S3_BUCKET, TEAM_PREDICTIONS_BUCKET or TEAM_DRIFT_BUCKET."
    )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200]
