"""Lists what is in a bucket: the versions of objects, and delete markers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree.ElementTree import ParseError

from minio import Minio
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from iris_provider_minio.access import StoreAccess, minio_client
from iris_provider_minio.errors import BucketMissing, StoreUnusable
from iris_provider_minio.versions import ObjectVersion, version_id_of


class DeleteMarker(ObjectVersion):
    """The version that a deletion leaves in a versioned bucket; it has no etag and no bytes."""


def listed(client: Minio, bucket: str, prefix: str) -> Iterator[ObjectVersion]:
    """Every version and delete marker whose key starts with `prefix`, without folder markers.

    :param client: the client.
    :param bucket: the bucket.
    :param prefix: the beginning of the keys.
    :raises BucketMissing: there is no such bucket.
    :raises StoreUnusable: the store refuses, or does not answer.
    """
    with answering(f"Listing s3://{bucket}/{prefix}"):
        for found in client.list_objects(bucket, prefix=prefix, recursive=True, include_version=True):
            if found.object_name and not found.object_name.endswith("/") and found.last_modified:
                kind = DeleteMarker if found.is_delete_marker else ObjectVersion
                yield version_of(bucket, found, kind)


def existing(access: StoreAccess, bucket: str, prefix: str, suffix: str) -> ObjectVersion | None:
    """The newest version of the first object that exists, by its key; None if none does.

    :param access: the store.
    :param bucket: the bucket.
    :param prefix: the beginning of its key.
    :param suffix: the end of its key.
    :raises StoreUnusable: the store refuses, or does not answer.
    """
    client = minio_client(access)
    with answering(f"Looking for s3://{bucket}/{prefix}…{suffix}"):
        for one in client.list_objects(bucket, prefix=prefix, recursive=True):
            key = one.object_name or ""
            if key.endswith(suffix) and not key.endswith("/") and (found := _newest(client, bucket, key)):
                return found
    return None


def _newest(client: Minio, bucket: str, key: str) -> ObjectVersion | None:
    """The newest version of an object; None if it was deleted since it was listed."""
    try:
        found = client.stat_object(bucket, key)
    except S3Error as error:
        if error.code == "NoSuchKey":
            return None
        raise
    return version_of(bucket, found)


def version_of(bucket: str, item: Any, kind: type[ObjectVersion] = ObjectVersion) -> ObjectVersion:
    """The object version that minio-py lists, or that it describes.

    :param bucket: the bucket.
    :param item: minio-py's object.
    :param kind: what is made of it.
    """
    return kind(
        bucket=bucket,
        key=item.object_name,
        version_id=version_id_of(item.version_id),
        etag=(item.etag or "").strip('"'),
        size=item.size or 0,
        landed_at=item.last_modified.replace(microsecond=0),
    )


@contextmanager
def answering(doing: str) -> Iterator[None]:
    """Turn the errors of minio-py into one of ours that says what was done.

    :param doing: what is done, such as `Listing s3://bucket/`.
    :raises BucketMissing: there is no such bucket.
    :raises StoreUnusable: the store refuses, or does not answer as S3 does.
    """
    try:
        yield
    except S3Error as error:
        kind = BucketMissing if error.code == "NoSuchBucket" else StoreUnusable
        raise kind(f"{doing}: {error.code}: {(error.message or '').rstrip('.')}.") from error
    except (MinioException, HTTPError, OSError) as error:
        raise StoreUnusable(f"{doing}: no answer ({type(error).__name__}).") from error
    except (ParseError, ValueError) as error:
        raise StoreUnusable(f"{doing}: {type(error).__name__}: {error}.") from error
