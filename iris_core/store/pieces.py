"""Pieces of object versions, from which the store composes an object."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import urllib3
from minio import Minio
from minio.commonconfig import ComposeSource
from minio.datatypes import Part
from minio.error import MinioException
from minio.helpers import DictType

from iris_core.store.versions import ObjectVersion

LEAST_PART_BYTES = 5 << 20
"""Least size of every part of a multipart object but the last, in S3."""
COPY_BYTES = 32 << 20
"""The store copies so much in one call, and less than twice as much, well within the timeout."""
COPIES_AT_ONCE = 4
MOST_PIECES = 5_000
"""Pieces of one object, beside one for each small version; S3 takes 10,000 parts."""


@dataclass(frozen=True)
class CopiedPiece:
    """Some bytes of an object version, to be copied."""

    version: ObjectVersion
    start: int
    length: int

    def headers(self) -> DictType:
        """The headers of the request that copies the piece, of exactly this version."""
        source = ComposeSource(
            self.version.bucket,
            self.version.key,
            version_id=self.version.version_id,
            match_etag=self.version.etag,
        )
        span = f"bytes={self.start}-{self.start + self.length - 1}"
        return {**source.gen_copy_headers(), "x-amz-copy-source-range": span}


def pieces_of(versions: Sequence[ObjectVersion]) -> list[CopiedPiece]:
    """Cut versions into pieces of about `COPY_BYTES`, none smaller unless its version is; none is empty.

    Versions of very many bytes are cut into larger pieces, `MOST_PIECES` at most.
    """
    size = max(COPY_BYTES, sum(version.size for version in versions) // MOST_PIECES)
    return [piece for version in versions if version.size for piece in _pieces_of(version, size)]


def _pieces_of(version: ObjectVersion, size: int) -> list[CopiedPiece]:
    count = max(1, version.size // size)
    cuts = [version.size * place // count for place in range(count + 1)]
    return [CopiedPiece(version, start, end - start) for start, end in pairwise(cuts)]


def copy_together(
    client: Minio, pieces: Sequence[CopiedPiece], bucket: str, key: str, content_type: str
) -> None:
    """Let the store join pieces into one object; it appears as a whole, or not at all.

    Several pieces are copied at once: minio-py's `compose_object` copies one after the other.

    :param client: the store's client.
    :param pieces: in order; all but the last have `LEAST_PART_BYTES` at least.
    :param bucket: the bucket of the new object.
    :param key: its key.
    :param content_type: its MIME type.
    """
    upload = client._create_multipart_upload(bucket, key, {"Content-Type": content_type})

    def copied(number: int, piece: CopiedPiece) -> Part:
        etag, _ = client._upload_part_copy(bucket, key, upload, number, piece.headers())
        return Part(number, etag)

    try:
        with ThreadPoolExecutor(COPIES_AT_ONCE, thread_name_prefix="iris-copy") as pool:
            parts = [*pool.map(copied, range(1, len(pieces) + 1), pieces)]
        client._complete_multipart_upload(bucket, key, upload, parts)
    except BaseException:
        with suppress(MinioException, urllib3.exceptions.HTTPError):
            client._abort_multipart_upload(bucket, key, upload)
        raise
