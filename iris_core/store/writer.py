"""An object that is written piece by piece, and the upload of one that is given up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import obstore
import urllib3
from minio import Minio
from minio.error import MinioException

from iris_core.store.answers import store_errors, writing_errors

CLOCK_SLACK_S = 60
"""The store's clock may be behind ours by so many seconds."""


class ObjectWriter:
    """An object that is being written."""

    def __init__(self, writer: obstore.WritableFile, bucket: str, key: str) -> None:
        self._writer = writer
        self._bucket = bucket
        self._key = key

    def write(self, data: bytes | memoryview, /) -> None:
        """Write the next piece.

        :raises StoreError: the store refused a part, or did not answer.
        """
        with store_errors(self._bucket, self._key), writing_errors():
            self._writer.write(data)


@contextmanager
def given_up(admin: Minio, bucket: str, key: str) -> Iterator[None]:
    """Abort the upload of an object if the block raises: parts of an unfinished upload take space unseen.

    This also aborts another upload of the same key at the same time, which is then tried again.

    :param admin: minio-py's client.
    :param bucket: the object's bucket.
    :param key: its key.
    """
    began = datetime.now(UTC) - timedelta(seconds=CLOCK_SLACK_S)
    try:
        yield
    except BaseException:
        with suppress(MinioException, urllib3.exceptions.HTTPError):
            for upload in admin._list_multipart_uploads(bucket, prefix=key).uploads:
                is_ours = upload.object_name == key and (upload.initiated_time or began) >= began
                if is_ours and upload.upload_id:
                    admin._abort_multipart_upload(bucket, key, upload.upload_id)
        raise
