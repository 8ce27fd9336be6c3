"""The object store: exact versions, conditional writes, listings.

obstore reads and writes objects, minio-py lists versions and creates buckets. obstore may be imported before
a fork, but must not be used before it: open an `ObjectStore` in the process that uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from minio import Minio
from minio.commonconfig import ENABLED
from minio.error import S3Error
from minio.versioningconfig import VersioningConfig
from obstore.exceptions import PreconditionError
from obstore.store import S3Store

from iris_core.store.answers import (
    check_readable,
    described,
    is_plain,
    store_errors,
    writing_errors,
)
from iris_core.store.clients import bucket_client
from iris_core.store.conditional import put_if
from iris_core.store.listing import PAGE, listed_versions
from iris_core.store.reading import read_odd, read_plain
from iris_core.store.versions import ListedVersion, ObjectVersion, parse_address
from iris_core.store.writer import ObjectWriter, given_up
from iris_provider_minio.access import StoreAccess, minio_client
from iris_provider_minio.listing import version_of
from iris_provider_minio.versions import version_id_of

if TYPE_CHECKING:
    from obstore import GetOptions, PutMode

WRITE_BUFFER_BYTES = 8 << 20
WRITES_UNDER_WAY = 4
"""Together they limit the memory of a writer to 40 MB."""


class ObjectStore:
    """A client of one S3 endpoint; opens its connections lazily, in the process that first uses it."""

    def __init__(self, access: StoreAccess) -> None:
        self.access = access
        self._buckets: dict[str, S3Store] = {}

    def _bucket(self, name: str) -> S3Store:
        if name not in self._buckets:
            self._buckets[name] = bucket_client(self.access, name)
        return self._buckets[name]

    @cached_property
    def admin(self) -> Minio:
        """minio-py's client, for buckets, versioning, notifications and policies."""
        return minio_client(self.access)

    def head(self, bucket: str, key: str, version_id: str | None = None) -> ObjectVersion:
        """A version of an object.

        :param bucket: the bucket.
        :param key: the key.
        :param version_id: the version; None for the current one.
        :raises ObjectMissing: there is no such object or version.
        :raises KeyUnreadable: no client can request this key.
        """
        with store_errors(bucket, key):
            if not is_plain(key):
                check_readable(bucket, key)
                return version_of(bucket, self.admin.stat_object(bucket, key, version_id=version_id))
            if version_id is None:
                return described(bucket, obstore.head(self._bucket(bucket), key))
            options: GetOptions = {"head": True, "version": version_id}
            return described(bucket, obstore.get(self._bucket(bucket), key, options=options).meta)

    def read(self, version: ObjectVersion, start: int | None = None, end: int | None = None) -> bytes:
        """The bytes of exactly this version, or the half-open range [start, end) of them.

        :param version: the object version.
        :param start: the first byte of the range; None for the whole version.
        :param end: the byte after the range; None for the whole version.
        :raises ObjectMissing: this version is gone, or overwritten in an unversioned bucket.
        :raises KeyUnreadable: no client can request this key.
        """
        if start is not None and start == end:
            return b""
        with store_errors(version.bucket, version.key):
            try:
                return self._read(version, version.version_id, start, end)
            except (FileNotFoundError, PreconditionError, S3Error):
                if version.version_id is not None:
                    raise
                # An object from before versioning was switched on is kept as the version `null`.
                return self._read(version, "null", start, end)

    def _read(
        self, version: ObjectVersion, version_id: str | None, start: int | None, end: int | None
    ) -> bytes:
        if is_plain(version.key):
            return read_plain(self._bucket(version.bucket), version, version_id, start, end)
        return read_odd(self.admin, version, version_id, start, end)

    def chunks(self, version: ObjectVersion, size: int = 8 << 20) -> Iterator[bytes]:
        """The bytes of exactly this version, in pieces of `size` bytes, read as they are consumed.

        Each piece is its own request, because a request's timeout holds for its whole answer.
        """
        if not version.size:
            yield self.read(version)
        for start in range(0, version.size, size):
            yield self.read(version, start, min(start + size, version.size))

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> ObjectVersion:
        """Write an object; return its new version.

        :param bucket: the bucket.
        :param key: the key.
        :param data: the content.
        :param content_type: its MIME type.
        """
        with store_errors(bucket, key):
            put = obstore.put(self._bucket(bucket), key, data, attributes={"Content-Type": content_type})
            options: GetOptions = {"head": True, "if_match": put["e_tag"]}
            if version := version_id_of(put["version"]):
                options["version"] = version
            return described(bucket, obstore.get(self._bucket(bucket), key, options=options).meta)

    def put_stream(self, bucket: str, key: str, pieces: Iterator[bytes], content_type: str) -> ObjectVersion:
        """Write an object piece by piece; it appears as a whole, or not at all. Returns its new version.

        `obstore.put` takes an iterator, too, but panics if that iterator reads from obstore.

        :param bucket: the bucket.
        :param key: the key.
        :param pieces: the content.
        :param content_type: its MIME type.
        """
        with self.writing(bucket, key, content_type) as writer:
            for piece in pieces:
                writer.write(piece)
        return self.head(bucket, key)

    @contextmanager
    def writing(self, bucket: str, key: str, content_type: str) -> Iterator[ObjectWriter]:
        """Write an object piece by piece; it appears when the block ends, and not at all if the block raises.

        :param bucket: the bucket.
        :param key: the key.
        :param content_type: the content's MIME type.
        """
        attributes = {"Content-Type": content_type}
        with store_errors(bucket, key):
            writer = obstore.open_writer(
                self._bucket(bucket),
                key,
                attributes=attributes,
                buffer_size=WRITE_BUFFER_BYTES,
                max_concurrency=WRITES_UNDER_WAY,
            )
        with given_up(self.admin, bucket, key):
            yield ObjectWriter(writer, bucket, key)
            with store_errors(bucket, key), writing_errors():
                writer.close()

    def download(self, version: ObjectVersion, folder: str) -> str:
        """Write exactly this version to a file of its name in a folder; return the path."""
        path = Path(folder) / version.file_name
        with path.open("wb") as file:
            file.writelines(self.chunks(version))
        return str(path)

    def create(self, bucket: str, key: str, data: bytes, content_type: str) -> bool:
        """Write an object only if there is none (`If-None-Match: *`); return whether it was written.

        :param bucket: the bucket.
        :param key: the key.
        :param data: the content.
        :param content_type: its MIME type.
        """
        with store_errors(bucket, key):
            return put_if(self._bucket(bucket), key, data, "create", content_type)

    def replace(self, bucket: str, key: str, data: bytes | bytearray, content_type: str, etag: str) -> bool:
        """Write an object in place of the one with this etag (`If-Match`); return whether it was written.

        :param bucket: the bucket.
        :param key: the key.
        :param data: the content.
        :param content_type: its MIME type.
        :param etag: the etag of the object to replace; "" if there must be none (`If-None-Match: *`).
        """
        with store_errors(bucket, key):
            mode: PutMode = {"e_tag": f'"{etag}"'} if etag else "create"
            try:
                return put_if(self._bucket(bucket), key, data, mode, content_type)
            except FileNotFoundError:
                return False

    def get(self, bucket: str, key: str) -> bytes:
        """The bytes of an object's current version.

        :raises ObjectMissing: there is no such object.
        """
        with store_errors(bucket, key):
            return bytes(obstore.get(self._bucket(bucket), key).bytes())

    def copy(self, version: ObjectVersion, bucket: str, key: str) -> ObjectVersion:
        """Copy exactly this version to another key, streamed; return the copy.

        :param version: the object version.
        :param bucket: the bucket of the copy.
        :param key: the key of the copy.
        """
        return self.put_stream(bucket, key, self.chunks(version), "text/csv")

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object; in a versioned bucket this only puts a delete marker on it."""
        with store_errors(bucket, key):
            obstore.delete(self._bucket(bucket), key)

    def erase(self, bucket: str, key: str) -> None:
        """Delete an object with all its versions and delete markers, so that it takes no space.

        If the policy does not allow this, the object gets a delete marker.
        """
        with store_errors(bucket, key):
            listed = self.admin.list_objects(bucket, key, recursive=True, include_version=True)
            versions = [item.version_id for item in listed if item.object_name == key]
            try:
                for version_id in versions:
                    self.admin.remove_object(bucket, key, version_id=version_id)
            except S3Error as error:
                if error.code != "AccessDenied":
                    raise
                self.admin.remove_object(bucket, key)

    def keys(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[str]:
        """Keys below a folder (whole path segments), in lexical order, listed page by page.

        :param bucket: the bucket.
        :param prefix: the folder.
        :param after: only keys after this one.
        """
        with store_errors(bucket, prefix):
            for page in obstore.list(self._bucket(bucket), prefix, offset=after):
                yield from (meta["path"] for meta in page)

    def folders(self, bucket: str, prefix: str) -> list[str]:
        """Names of the folders directly below a folder, in lexical order."""
        with store_errors(bucket, prefix):
            listed = obstore.list_with_delimiter(self._bucket(bucket), prefix)
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in listed["common_prefixes"])

    def versions(
        self, bucket: str, prefix: str, after: str = "", page_size: int = PAGE
    ) -> Iterator[ListedVersion]:
        """Every version of every object whose key starts with `prefix`, listed page by page.

        Keys are in lexical order, each key's versions newest first. Delete markers and folder markers are
        left out.

        :param bucket: the bucket.
        :param prefix: the beginning of the keys.
        :param after: only of keys after this one.
        :param page_size: so many are asked for at once.
        """
        with store_errors(bucket, prefix):
            yield from listed_versions(self.admin, bucket, prefix, after, page_size)

    def ensure_bucket(self, name: str, versioned: bool = True) -> None:
        """Create a bucket unless it exists; by default versioned, so that overwriting loses no upload."""
        with store_errors(name, ""):
            if not self.admin.bucket_exists(name):
                self.admin.make_bucket(name)
            if versioned:
                self.admin.set_bucket_versioning(name, VersioningConfig(ENABLED))


def parse_uri(store: ObjectStore, uri: str) -> ObjectVersion:
    """The object version that an address names; the current one if it names no version.

    :raises ObjectMissing: there is no such object or version, or it is not the address of an object.
    """
    address = parse_address(uri)
    return store.head(address.bucket, address.key, address.version_id)


__all__ = ["ListedVersion", "ObjectStore", "ObjectVersion", "ObjectWriter", "StoreAccess", "parse_uri"]
