"""moto's S3 classes, made fit for a store that keeps its objects on disk.

moto builds keys and key stores through names of its `models` module; `install` points those names here. Each
difference answers one thing of moto 5.2.5 that a durable, concurrent store cannot live with:

- `instances_tracked` keeps every object ever made alive (a leak): replaced by a list that keeps nothing.
- Etags are computed on first use, by whichever thread comes first, from a shared file: computed at creation.
- Listing versions deep-copies every payload of the bucket: a copy here has no payload.
- Iterating a bucket looks each key up again and fails when it was deleted meanwhile: iterates a snapshot.
- A write to a bucket with suspended versioning drops all versions: replaces the null version only.
- MinIO keeps folder markers (`dir/`) outside versioning; its listings carry milliseconds.
"""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import moto.s3.models as models
from moto.s3.utils import _VersionedKeyStore

NULL_VERSION = "null"
# Request headers that moto takes for metadata and would send back on every GET.
_NOT_METADATA = frozenset({"x-amz-content-sha256", "content-md5"})


class PayloadFile:
    """A payload on disk, opened for each read: costs no memory and no file descriptor in between."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def seek(self, _position: int) -> None:
        """moto rewinds before each read; `read` always starts at 0."""

    def read(self) -> bytes:
        return self._path.read_bytes()

    def close(self) -> None:
        """Nothing is open."""


class StoredKey(models.FakeKey):
    """An object version. `uid` and `record` are set once the journal knows it."""

    def __init__(self, name: str, value: bytes, *args: Any, **kwargs: Any) -> None:
        super().__init__(name, value, *args, **kwargs)
        self.uid: str | None = None
        self.record: dict[str, Any] | None = None
        self.sequencer = 0
        if self._etag is None:
            self._etag = hashlib.md5(value or b"", usedforsecurity=False).hexdigest()
        if str(name).endswith("/"):
            self._version_id, self._is_versioned = NULL_VERSION, False

    def set_metadata(self, metadata: Any, replace: bool = False) -> None:
        kept = {name: value for name, value in metadata.items() if name.lower() not in _NOT_METADATA}
        super().set_metadata(kept, replace)

    @property
    def last_modified_ISO8601(self) -> str:  # noqa: N802 - moto's name
        return self.last_modified.isoformat(timespec="milliseconds") + "Z"

    def keep_at(self, path: Path) -> None:
        """Read the payload from `path` from now on."""
        with self.lock:
            self._value_buffer.close()
            self._value_buffer = PayloadFile(path)  # type: ignore[assignment]

    def __deepcopy__(self, memo: dict[int, Any]) -> StoredKey:
        """For listings, which set `is_latest` on copies: everything but the payload."""
        twin = object.__new__(StoredKey)
        twin.__dict__.update(self.__dict__)
        twin._value_buffer = io.BytesIO()  # type: ignore[assignment]
        twin.multipart = None
        twin.disposed = True
        return twin


class KeyStore(_VersionedKeyStore):
    """A bucket's keys, each with its versions, oldest first."""

    def setlist(self, key: Any, list_: Any) -> Any:
        existing = self.getlist(key, [])
        newest = list_[-1] if list_ else None
        if newest is not None and newest not in existing and newest.version_id == NULL_VERSION:
            list_ = [version for version in existing if version.version_id != NULL_VERSION] + [newest]
        super().setlist(key, list_)

    def pop(self, key: str) -> None:  # type: ignore[override]
        for version in self.getlist(key, []):
            if isinstance(version, models.FakeKey):
                version.dispose()
        dict.pop(self, key)

    def _iteritems(self) -> Iterator[tuple[str, Any]]:
        return ((key, versions[-1]) for key, versions in self._self_iterable().items() if versions)

    def _itervalues(self) -> Iterator[Any]:
        return (version for _, version in self._iteritems())

    def _iterlists(self) -> Iterator[tuple[str, list[Any]]]:
        return ((key, list(versions)) for key, versions in self._self_iterable().items())

    items = iteritems = _iteritems
    lists = iterlists = _iterlists
    values = itervalues = _itervalues


def install() -> None:
    """Make moto use these classes. Lasts for the life of the process; harmless to repeat."""
    vars(models)["FakeKey"] = StoredKey
    vars(models)["_VersionedKeyStore"] = KeyStore
    tracked: list[Any] = [StoredKey, models.FakeMultipart, models.FakeDeleteMarker, models.FakeBucket]
    for cls in tracked:
        cls.instances_tracked = deque(maxlen=0)
