"""Lists what is in a bucket: the versions of objects, and delete markers."""

from __future__ import annotations

from collections.abc import Iterator

from minio import Minio
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from iris_provider_minio.errors import StoreUnusable
from iris_provider_minio.versions import ObjectVersion


class DeleteMarker(ObjectVersion):
    """The version that a deletion leaves in a versioned bucket; it has no etag and no bytes."""


def listed(client: Minio, bucket: str, prefix: str) -> Iterator[ObjectVersion]:
    """Every version and delete marker whose key starts with `prefix`, without folder markers.

    :param client: the client.
    :param bucket: the bucket.
    :param prefix: the beginning of the keys.
    :raises StoreUnusable: the store refuses, or does not answer.
    """
    try:
        for found in client.list_objects(bucket, prefix=prefix, recursive=True, include_version=True):
            if found.object_name and not found.object_name.endswith("/") and found.last_modified:
                kind = DeleteMarker if found.is_delete_marker else ObjectVersion
                yield kind(
                    bucket=bucket,
                    key=found.object_name,
                    version_id=None if found.version_id in (None, "", "null") else found.version_id,
                    etag=(found.etag or "").strip('"'),
                    size=found.size or 0,
                    landed_at=found.last_modified.replace(microsecond=0),
                )
    except S3Error as error:
        raise StoreUnusable(f"Listing s3://{bucket}/{prefix}: {error.code}: {error.message}.") from error
    except (MinioException, HTTPError, OSError) as error:
        raise StoreUnusable(f"Listing s3://{bucket}/{prefix}: no answer ({type(error).__name__}).") from error
