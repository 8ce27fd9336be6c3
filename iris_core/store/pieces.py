"""Pieces of object versions, from which the store composes an object."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from minio.commonconfig import ComposeSource

from iris_core.store.versions import ObjectVersion

LEAST_PART_BYTES = 5 << 20
"""Least size of every part of a multipart object but the last, in S3."""
COPY_BYTES = 128 << 20
"""The store copies so much in one call, well within the timeout."""


@dataclass(frozen=True)
class CopiedPiece:
    """Some bytes of an object version, to be copied."""

    version: ObjectVersion
    start: int
    length: int

    def source(self) -> ComposeSource:
        """The piece as minio-py names it."""
        return ComposeSource(
            self.version.bucket,
            self.version.key,
            version_id=self.version.version_id,
            offset=self.start,
            length=self.length,
            match_etag=self.version.etag,
        )


def pieces_of(version: ObjectVersion) -> list[CopiedPiece]:
    """Cut a version into pieces of about `COPY_BYTES`, none of them small."""
    count = max(1, version.size // COPY_BYTES)
    cuts = [version.size * place // count for place in range(count + 1)]
    return [CopiedPiece(version, start, end - start) for start, end in pairwise(cuts)]
