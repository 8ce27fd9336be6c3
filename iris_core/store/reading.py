"""Reads the bytes of an exact version: through obstore, or through minio-py where obstore refuses the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import obstore
from minio import Minio
from obstore.store import S3Store

from iris_core.store.answers import check_readable
from iris_core.store.versions import ObjectVersion

if TYPE_CHECKING:
    from obstore import GetOptions


def read_plain(
    bucket: S3Store, version: ObjectVersion, version_id: str | None, start: int | None, end: int | None
) -> bytes:
    """Read a version, or the half-open range [start, end) of it, through obstore.

    :param bucket: obstore's client of the version's bucket.
    :param version: the object version; its etag must be the stored one.
    :param version_id: the version that is asked for; None for the current one.
    :param start: the first byte of the range; None for the whole version.
    :param end: the byte after the range; None for the whole version.
    """
    options: GetOptions = {"if_match": f'"{version.etag}"'}
    if version_id:
        options["version"] = version_id
    if start is not None and end is not None:
        options["range"] = (start, end)
    return bytes(obstore.get(bucket, version.key, options=options).bytes())


def read_odd(
    admin: Minio, version: ObjectVersion, version_id: str | None, start: int | None, end: int | None
) -> bytes:
    """Read the same through minio-py, for keys that obstore refuses to send; takes what `read_plain` takes.

    :raises KeyUnreadable: no client can request this key.
    """
    check_readable(version.bucket, version.key)
    response = admin.get_object(
        version.bucket,
        version.key,
        offset=0 if start is None else start,
        length=0 if start is None or end is None else end - start,
        request_headers={"If-Match": f'"{version.etag}"'},
        version_id=version_id,
    )
    try:
        return bytes(response.read())
    finally:
        response.close()
        response.release_conn()
