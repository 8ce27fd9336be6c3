"""The object store: exact versions, conditional writes, listings.

obstore reads and writes objects, minio-py lists versions and creates buckets. obstore may be imported before
a fork, but must not be used before it: open an `ObjectStore` in the process that uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
import urllib3
from minio import Minio
from minio.commonconfig import ENABLED, ComposeSource
from minio.error import MinioException, S3Error
from minio.versioningconfig import VersioningConfig
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, PreconditionError
from obstore.store import S3Store

from iris_core.errors import KeyUnreadable, ObjectMissing, StoreError
from iris_core.store.versions import ListedVersion, ObjectVersion, parse_address

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import ClientConfig, RetryConfig

CONNECT_TIMEOUT_S = 4
READ_TIMEOUT_S = 8
RETRIES = 2
"""Together they limit one call to 30 s when the store hangs; a task's own retries outlast an outage."""

WRITE_BUFFER_BYTES = 8 << 20
WRITES_UNDER_WAY = 4
"""Together they limit the memory of a writer to 40 MB."""
LEAST_PART_BYTES = 5 << 20
"""Least size of every part of a multipart object but the last, in S3."""
COPY_BYTES = 128 << 20
"""The store copies so much in one call, well within the timeout."""

_ODD_KEY = re.compile(r"[\x00-\x1f\x7f]|^/|//|(^|/)\.{1,2}(/|$)")
CLOCK_SLACK_S = 60
"""The store's clock may be behind ours by so many seconds."""

_REFUSALS = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
_GONE = frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "PreconditionFailed"})
_FORBIDDEN = re.compile(r"status code: 40[13]\b")
"""Matches errors about a refused listing or a refused writer, for which obstore has no type."""

_CLIENT: ClientConfig = {
    "allow_http": True,
    "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
    "timeout": f"{READ_TIMEOUT_S}s",
}
_RETRY: RetryConfig = {
    "max_retries": RETRIES,
    "retry_timeout": timedelta(seconds=READ_TIMEOUT_S),
    "backoff": {
        "init_backoff": timedelta(milliseconds=200),
        "max_backoff": timedelta(seconds=2),
        "base": 2,
    },
}


@dataclass(frozen=True)
class StoreAccess:
    """Address and credentials of the store; `repr` does not show the secret."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str = "us-east-1"


class ObjectStore:
    """A client of one S3 endpoint; opens its connections lazily, in the process that first uses it."""

    def __init__(self, access: StoreAccess) -> None:
        self.access = access
        self._buckets: dict[str, S3Store] = {}

    def _bucket(self, name: str) -> S3Store:
        if name not in self._buckets:
            self._buckets[name] = S3Store(
                name,
                endpoint=self.access.endpoint_url,
                access_key_id=self.access.access_key_id,
                secret_access_key=self.access.secret_access_key,
                region=self.access.region,
                virtual_hosted_style_request=False,
                client_options=_CLIENT,
                retry_config=_RETRY,
            )
        return self._buckets[name]

    @cached_property
    def admin(self) -> Minio:
        """minio-py's client, for buckets, versioning, notifications and policies."""
        url = urlsplit(self.access.endpoint_url)
        return Minio(
            url.netloc,
            self.access.access_key_id,
            self.access.secret_access_key,
            secure=url.scheme == "https",
            region=self.access.region,
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
                retries=urllib3.Retry(total=RETRIES, backoff_factor=0.2),
                maxsize=8,
            ),
        )

    def head(self, bucket: str, key: str, version_id: str | None = None) -> ObjectVersion:
        """A version of an object.

        :param bucket: the bucket.
        :param key: the key.
        :param version_id: the version; None for the current one.
        :raises ObjectMissing: there is no such object or version.
        :raises KeyUnreadable: no client can request this key.
        """
        with _told(bucket, key):
            if not _is_plain(key):
                _check_readable(bucket, key)
                return _listed(bucket, self.admin.stat_object(bucket, key, version_id=version_id))
            if version_id is None:
                return _described(bucket, obstore.head(self._bucket(bucket), key))
            options: GetOptions = {"head": True, "version": version_id}
            return _described(bucket, obstore.get(self._bucket(bucket), key, options=options).meta)

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
        read = self._read_plain if _is_plain(version.key) else self._read_odd
        with _told(version.bucket, version.key):
            try:
                return read(version, version.version_id, start, end)
            except (FileNotFoundError, PreconditionError, S3Error):
                if version.version_id is not None:
                    raise
                # An object from before versioning was switched on is kept as the version `null`.
                return read(version, "null", start, end)

    def chunks(self, version: ObjectVersion, size: int = 8 << 20) -> Iterator[bytes]:
        """The bytes of exactly this version, in pieces of `size` bytes, read as they are consumed.

        Each piece is its own request, because a request's timeout holds for its whole answer.
        """
        if not version.size:
            yield self.read(version)
        for start in range(0, version.size, size):
            yield self.read(version, start, min(start + size, version.size))

    def _read_plain(
        self, version: ObjectVersion, version_id: str | None, start: int | None, end: int | None
    ) -> bytes:
        options: GetOptions = {"if_match": f'"{version.etag}"'}
        if version_id:
            options["version"] = version_id
        if start is not None and end is not None:
            options["range"] = (start, end)
        return bytes(obstore.get(self._bucket(version.bucket), version.key, options=options).bytes())

    def _read_odd(
        self, version: ObjectVersion, version_id: str | None, start: int | None, end: int | None
    ) -> bytes:
        """Read through minio-py, for keys that obstore refuses to send."""
        _check_readable(version.bucket, version.key)
        response = self.admin.get_object(
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

    def put(self, bucket: str, key: str, data: bytes, content_type: str) -> ObjectVersion:
        """Write an object; return its new version.

        :param bucket: the bucket.
        :param key: the key.
        :param data: the content.
        :param content_type: its MIME type.
        """
        with _told(bucket, key):
            put = obstore.put(self._bucket(bucket), key, data, attributes={"Content-Type": content_type})
            options: GetOptions = {"head": True, "if_match": put["e_tag"]}
            if version := _version_id(put["version"]):
                options["version"] = version
            return _described(bucket, obstore.get(self._bucket(bucket), key, options=options).meta)

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
        with _told(bucket, key):
            writer = obstore.open_writer(
                self._bucket(bucket),
                key,
                attributes=attributes,
                buffer_size=WRITE_BUFFER_BYTES,
                max_concurrency=WRITES_UNDER_WAY,
            )
        with self._given_up(bucket, key):
            yield ObjectWriter(writer, bucket, key)
            with _told(bucket, key), _writing():
                writer.close()

    def compose(
        self, parts: Sequence[ObjectVersion], bucket: str, key: str, content_type: str
    ) -> ObjectVersion:
        """Join exactly these versions into one object; it appears as a whole, or not at all.

        The store copies the parts itself unless one is too small: then all pass through this process.

        :param parts: the versions, in order.
        :param bucket: the bucket of the new object.
        :param key: its key.
        :param content_type: its MIME type.
        """
        pieces = [piece for part in parts for piece in _pieces(part)]
        if len(pieces) == 1 or any(piece.length < LEAST_PART_BYTES for piece in pieces[:-1]):
            read = (self.read(p.version, p.start, p.start + p.length) for p in pieces if p.length)
            return self.put_stream(bucket, key, read, content_type)
        with _told(bucket, key):
            self.admin.compose_object(
                bucket,
                key,
                [piece.source() for piece in pieces],
                metadata={"Content-Type": content_type},
            )
        return self.head(bucket, key)

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
        with _told(bucket, key):
            try:
                obstore.put(
                    self._bucket(bucket),
                    key,
                    data,
                    mode="create",
                    attributes={"Content-Type": content_type},
                )
            except AlreadyExistsError:
                return False
            return True

    def get(self, bucket: str, key: str) -> bytes:
        """The bytes of an object's current version.

        :raises ObjectMissing: there is no such object.
        """
        with _told(bucket, key):
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
        with _told(bucket, key):
            obstore.delete(self._bucket(bucket), key)

    def erase(self, bucket: str, key: str) -> None:
        """Delete an object with all its versions and delete markers, so that it takes no space.

        If the policy does not allow this, the object gets a delete marker.
        """
        with _told(bucket, key):
            listed = self.admin.list_objects(bucket, key, recursive=True, include_version=True)
            versions = [item.version_id for item in listed if item.object_name == key]
            try:
                for version_id in versions:
                    self.admin.remove_object(bucket, key, version_id=version_id)
            except S3Error as error:
                if error.code != "AccessDenied":
                    raise
                self.admin.remove_object(bucket, key)

    @contextmanager
    def _given_up(self, bucket: str, key: str) -> Iterator[None]:
        """Abort the upload of an object if the block raises: parts of an unfinished upload take space unseen.

        This also aborts another upload of the same key at the same time, which is then tried again.
        """
        began = datetime.now(UTC) - timedelta(seconds=CLOCK_SLACK_S)
        try:
            yield
        except BaseException:
            with suppress(MinioException, urllib3.exceptions.HTTPError):
                for upload in self.admin._list_multipart_uploads(bucket, prefix=key).uploads:
                    is_ours = upload.object_name == key and (upload.initiated_time or began) >= began
                    if is_ours and upload.upload_id:
                        self.admin._abort_multipart_upload(bucket, key, upload.upload_id)
            raise

    def keys(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[str]:
        """Keys below a folder (whole path segments), in lexical order, listed page by page.

        :param bucket: the bucket.
        :param prefix: the folder.
        :param after: only keys after this one.
        """
        with _told(bucket, prefix):
            for page in obstore.list(self._bucket(bucket), prefix, offset=after):
                yield from (meta["path"] for meta in page)

    def folders(self, bucket: str, prefix: str) -> list[str]:
        """Names of the folders directly below a folder, in lexical order."""
        with _told(bucket, prefix):
            listed = obstore.list_with_delimiter(self._bucket(bucket), prefix)
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in listed["common_prefixes"])

    def versions(self, bucket: str, prefix: str) -> Iterator[ListedVersion]:
        """Every version of every object whose key starts with `prefix`, listed page by page.

        Keys are in lexical order, each key's versions newest first. Delete markers and folder markers are
        left out.
        """
        with _told(bucket, prefix):
            listing = self.admin.list_objects(bucket, prefix, recursive=True, include_version=True)
            for item in listing:
                if item.is_delete_marker or not item.object_name or item.object_name.endswith("/"):
                    continue
                yield ListedVersion(_listed(bucket, item), str(item.is_latest).lower() != "false")

    def ensure_bucket(self, name: str, versioned: bool = True) -> None:
        """Create a bucket unless it exists; by default versioned, so that overwriting loses no upload."""
        with _told(name, ""):
            if not self.admin.bucket_exists(name):
                self.admin.make_bucket(name)
            if versioned:
                self.admin.set_bucket_versioning(name, VersioningConfig(ENABLED))


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
        with _told(self._bucket, self._key), _writing():
            self._writer.write(data)


@dataclass(frozen=True)
class _Piece:
    version: ObjectVersion
    start: int
    length: int

    def source(self) -> ComposeSource:
        return ComposeSource(
            self.version.bucket,
            self.version.key,
            version_id=self.version.version_id,
            offset=self.start,
            length=self.length,
            match_etag=self.version.etag,
        )


def _pieces(version: ObjectVersion) -> list[_Piece]:
    """Cut a version into pieces of about `COPY_BYTES`, none of them small."""
    count = max(1, version.size // COPY_BYTES)
    cuts = [version.size * place // count for place in range(count + 1)]
    return [_Piece(version, start, end - start) for start, end in pairwise(cuts)]


def parse_uri(store: ObjectStore, uri: str) -> ObjectVersion:
    """The object version that an address names; the current one if it names no version.

    :raises ObjectMissing: there is no such object or version, or it is not the address of an object.
    """
    address = parse_address(uri)
    return store.head(address.bucket, address.key, address.version_id)


def _is_plain(key: str) -> bool:
    """Whether obstore sends this key unchanged: without control characters, empty segments, `.` and `..`."""
    return _ODD_KEY.search(key) is None


def _check_readable(bucket: str, key: str) -> None:
    """Refuse a key that HTTP clients would change before they send it.

    :raises KeyUnreadable: the key has a segment `.` or `..`.
    """
    if dots := [segment for segment in key.split("/") if segment in (".", "..")]:
        raise KeyUnreadable(
            f"s3://{bucket}/{key}: the key has a segment {dots[0]!r}, which clients resolve like a "
            "folder's, so the object cannot be read. Copy it to a key without one, and delete this one."
        )


def _version_id(raw: str | None) -> str | None:
    return None if raw in (None, "", "null") else raw


def _described(bucket: str, meta: Any) -> ObjectVersion:
    return ObjectVersion(
        bucket=bucket,
        key=meta["path"],
        version_id=_version_id(meta["version"]),
        etag=(meta["e_tag"] or "").strip('"'),
        size=meta["size"],
        landed_at=meta["last_modified"].replace(microsecond=0),
    )


def _listed(bucket: str, item: Any) -> ObjectVersion:
    return ObjectVersion(
        bucket=bucket,
        key=item.object_name,
        version_id=_version_id(item.version_id),
        etag=(item.etag or "").strip('"'),
        size=item.size or 0,
        landed_at=item.last_modified.replace(microsecond=0),
    )


@contextmanager
def _writing() -> Iterator[None]:
    """Turn the plain OSErrors of obstore's writer into errors of obstore's own type."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BaseError(str(error)) from error


@contextmanager
def _told(bucket: str, key: str) -> Iterator[None]:
    """Turn the clients' errors into ours, which name the object and the store's answer."""
    where = f"s3://{bucket}/{key}"
    try:
        yield
    except (FileNotFoundError, PreconditionError) as error:
        raise ObjectMissing(f"{where} is not there, or no longer in this version.") from error
    except S3Error as error:
        if error.code in _REFUSALS:
            raise StoreError(_refused(where)) from error
        kind = ObjectMissing if error.code in _GONE else StoreError
        raise kind(f"{where}: the store answered {error.code} ({error.message}).") from error
    except (BaseError, MinioException, urllib3.exceptions.HTTPError) as error:
        if isinstance(error, PermissionDeniedError) or _FORBIDDEN.search(str(error)):
            raise StoreError(_refused(where)) from error
        raise StoreError(f"{where}: no answer from the store ({_first_line(error)}).") from error


def _refused(where: str) -> str:
    return (
        f"{where}: the store refused the credentials. Check the connection minio_default, "
        "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200]


__all__ = [
    "CONNECT_TIMEOUT_S",
    "READ_TIMEOUT_S",
    "RETRIES",
    "ListedVersion",
    "ObjectStore",
    "ObjectVersion",
    "ObjectWriter",
    "StoreAccess",
    "parse_uri",
]
