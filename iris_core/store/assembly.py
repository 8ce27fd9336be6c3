"""An object whose parts several processes write at once, until one of them puts the parts together.

The bytes of a part go straight into one multipart upload of the object, which its parts share: the store
joins them without a copy. As S3 takes no piece below 5 MiB but the last, a small part is an object of its own
until then. So are the first bytes of a larger part: a small one before it is joined with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from minio.datatypes import Part
from minio.error import S3Error
from pydantic import BaseModel, ConfigDict

from iris_core.errors import ObjectMissing, StoreError
from iris_core.store.answers import store_errors
from iris_core.store.objects import ObjectStore
from iris_core.store.versions import ObjectVersion

LEAST_PIECE_BYTES = 5 << 20
"""Least size of every piece of an upload but the last, in S3."""
MOST_PIECES = 10_000
"""Most pieces of an upload, in S3; the parts of an object share them."""
PIECE_BYTES = 8 << 20
BYTES_UNDER_WAY = 32 << 20
"""Bytes of a part that are sent at once; a larger piece is sent alone."""
SENDERS = 4
RECORD = ".upload"
"""The keys that hold the id of an upload end with this."""
_GONE = "NoSuchUpload"


class WrittenPart(BaseModel):
    """A part as it waits to be put together.

    `head` holds its first bytes, or all of them if it is small. The pieces of a larger part are in `upload`
    under their `etags`; the first of them has the bytes of `head`. The object's first part needs none then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    head: ObjectVersion | None = None
    upload: str = ""
    etags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assembly:
    """An object in the making; it appears as a whole, or not at all.

    :param store: where it will be.
    :param bucket: its bucket.
    :param key: its key.
    :param content_type: its MIME type.
    :param folder: keys below it hold heads, and the id of the upload that the parts share.
    :param count: the number of its parts.
    """

    store: ObjectStore
    bucket: str
    key: str
    content_type: str
    folder: str
    count: int

    @property
    def room(self) -> int:
        """The number of pieces that a part may have."""
        return MOST_PIECES // self.count

    @contextmanager
    def writing(self, index: int, expected: int = 0) -> Iterator[PartWriter]:
        """Write a part; a second attempt takes the place of the first.

        :param index: the part's number, counted from 0.
        :param expected: about so many bytes, from which the size of pieces follows.
        :raises StoreError: the store refused a piece or did not answer, or the part has too many pieces.
        """
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="iris-send") as pool:
            writer = PartWriter(self, index, expected, pool)
            try:
                yield writer
                writer.close()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                if self.count == 1:
                    with suppress(StoreError):
                        abandon(self.store, self.bucket, self.key, self._record)
                raise

    def put_together(self, parts: Sequence[WrittenPart]) -> ObjectVersion:
        """Make the object of all its parts; when repeated, the object is the same.

        :param parts: all of them, in order.
        :raises StoreError: a part is no longer as it was written, and must be written again.
        """
        upload = next((part.upload for part in parts if part.upload), "")
        if not upload:
            heads = (self.store.read(part.head) for part in parts if part.head)
            return self.store.put_stream(self.bucket, self.key, heads, self.content_type)
        etags, small = self._pieces(parts)
        with store_errors(self.bucket, self.key):
            try:
                etags |= {number: self.send(upload, number, data) for number, data in small.items()}
                pieces = [Part(number, etags[number]) for number in sorted(etags)]
                self.store.admin._complete_multipart_upload(self.bucket, self.key, upload, pieces)
            except S3Error as error:
                etags |= {number: _md5(data).hexdigest() for number, data in small.items()}
                if error.code == _GONE and (made := self._made_of(etags)):
                    return made
                raise
        return self.store.head(self.bucket, self.key)

    def _pieces(self, parts: Sequence[WrittenPart]) -> tuple[dict[int, str], dict[int, bytes]]:
        """Etags of pieces by their number; and new pieces, of small parts with what follows them."""
        etags: dict[int, str] = {}
        small: dict[int, bytes] = {}
        held = b""
        for index, part in enumerate(parts):
            first = self.first_number(index)
            etags |= dict(enumerate(part.etags, first))
            if part.head and (held or not part.etags):
                held += self.store.read(part.head)
                if part.etags or len(held) >= LEAST_PIECE_BYTES:
                    small[first], held = held, b""
        if held:
            small[self.first_number(len(parts) - 1)] = held
        return etags, small

    def _made_of(self, etags: Mapping[int, str]) -> ObjectVersion | None:
        """The object, if an earlier attempt has made it of the same pieces."""
        with suppress(ObjectMissing):
            made = self.store.head(self.bucket, self.key)
            joined = _md5(b"".join(bytes.fromhex(etags[number]) for number in sorted(etags)))
            return made if made.etag == f"{joined.hexdigest()}-{len(etags)}" else None
        return None

    def first_number(self, index: int) -> int:
        """The number of a part's first piece in the upload."""
        return index * self.room + 1

    def begun(self) -> str:
        """The id of the upload; the first part that needs it begins it, anew if it is gone."""
        admin = self.store.admin
        with store_errors(self.bucket, self.key):
            if known := self._known():
                return known
            made = admin._create_multipart_upload(self.bucket, self.key, {"Content-Type": self.content_type})
            if self.store.create(self.bucket, self._record, made.encode(), "text/plain"):
                return made
            admin._abort_multipart_upload(self.bucket, self.key, made)
        return self.store.get(self.bucket, self._record).decode()

    def _known(self) -> str | None:
        """The id of the upload that was begun; None if there is none, or no longer."""
        try:
            upload = self.store.get(self.bucket, self._record).decode()
            self.store.admin._list_parts(self.bucket, self.key, upload, max_parts=1)
        except ObjectMissing:
            return None
        except S3Error as error:
            if error.code != _GONE:
                raise
            self.store.erase(self.bucket, self._record)
            return None
        return upload

    def send(self, upload: str, number: int, data: bytes) -> str:
        """Send a piece; return its etag."""
        return self.store.admin._upload_part(self.bucket, self.key, data, None, upload, number)

    @property
    def _record(self) -> str:
        return f"{self.folder}/of-{self.count:04d}{RECORD}"

    def head_key(self, index: int) -> str:
        """The key of a part's head."""
        return f"{self.folder}/{index:04d}-of-{self.count:04d}"


class PartWriter:
    """A part that is being written; `written` tells what became of it once it is closed."""

    def __init__(self, assembly: Assembly, index: int, expected: int, pool: ThreadPoolExecutor) -> None:
        self._assembly, self._index, self._expected, self._pool = assembly, index, expected, pool
        self._held = bytearray()
        self._size = 0
        self._upload = ""
        self._head: Future[ObjectVersion] | None = None
        self._sent: list[Future[str]] = []
        self.written = WrittenPart(size=0)

    def write(self, data: bytes | memoryview, /) -> None:
        """Write the next bytes. So many stay held that the last piece is none that S3 refuses.

        :raises StoreError: the store refused a piece, or did not answer.
        """
        self._held += data
        self._size += len(data)
        while len(self._held) >= LEAST_PIECE_BYTES + (size := self._next_bytes()):
            self._send(size)

    def close(self) -> None:
        """Write what is held."""
        assembly = self._assembly
        if self._sent:
            self._send(len(self._held))
        else:
            self._head = self._pool.submit(self._put_head, bytes(self._held))
        with store_errors(assembly.bucket, assembly.key):
            self.written = WrittenPart(
                size=self._size,
                head=self._head.result() if self._head else None,
                upload=self._upload,
                etags=tuple(one.result() for one in self._sent),
            )

    def _next_bytes(self) -> int:
        if self._index and not self._sent:
            return LEAST_PIECE_BYTES
        return piece_bytes(len(self._sent), self._assembly.room, self._expected, self._size)

    def _send(self, size: int) -> None:
        assembly, number = self._assembly, self._assembly.first_number(self._index) + len(self._sent)
        if len(self._sent) == assembly.room:
            where = f"s3://{assembly.bucket}/{assembly.key}"
            raise StoreError(f"{where} has more than {MOST_PIECES} pieces. Cut it less: set SHARD_MB higher.")
        with memoryview(self._held) as view:
            data = bytes(view[:size])
        del self._held[:size]
        if not self._sent:
            self._upload = assembly.begun()
            self._head = self._pool.submit(self._put_head, data) if self._index else None
        with store_errors(assembly.bucket, assembly.key):
            if len(self._sent) >= (most := max(1, BYTES_UNDER_WAY // size)):
                self._sent[-most].result()
            self._sent.append(self._pool.submit(assembly.send, self._upload, number, data))

    def _put_head(self, data: bytes) -> ObjectVersion:
        assembly = self._assembly
        return assembly.store.put(
            assembly.bucket, assembly.head_key(self._index), data, assembly.content_type
        )


def piece_bytes(sent: int, room: int, expected: int, size: int) -> int:
    """The size of a part's next piece.

    Three quarters of the pieces have room for twice what is expected; the rest of them grow.

    :param sent: the number of pieces before it.
    :param room: the number of pieces that the part may have.
    :param expected: about so many bytes the part will have.
    :param size: so many it has until now.
    """
    usual = max(PIECE_BYTES, 3 * expected // room)
    return usual if sent < room * 3 // 4 else max(usual, 32 * size // room)


def abandon(store: ObjectStore, bucket: str, key: str, record: str) -> None:
    """Abort an object's upload, whose pieces take space unseen, and forget its id.

    :param store: where the object would have been.
    :param bucket: its bucket.
    :param key: its key.
    :param record: the key that holds the upload's id.
    """
    with suppress(ObjectMissing), store_errors(bucket, key):
        upload = store.get(bucket, record).decode()
        try:
            store.admin._abort_multipart_upload(bucket, key, upload)
        except S3Error as error:
            if error.code != _GONE:
                raise
        store.erase(bucket, record)


def _md5(data: bytes) -> hashlib._Hash:
    return hashlib.md5(data, usedforsecurity=False)
