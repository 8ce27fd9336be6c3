"""Lists object versions. minio-py takes longer to parse a page than MinIO takes to write it.

A look at everything lists a million versions, so pages are read by expat without a tree, and the next one is
asked for as soon as the beginning of a page tells where it begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import unquote_plus
from xml.parsers import expat

from minio import Minio

from iris_core.store.answers import version_id_of
from iris_core.store.versions import ListedVersion

PAGE = 1000
HEAD_BYTES = 16_384
"""So much of a page is read before the next one is asked for. Before the first version it has the prefix and
the markers, of up to 1,024 characters."""
_ABOUT_PAGE = frozenset({"IsTruncated", "NextKeyMarker", "NextVersionIdMarker", "EncodingType"})
_OF_A_VERSION = frozenset({"Key", "VersionId", "ETag", "Size", "LastModified", "IsLatest"})

Marker = dict[str, str]


class _Page:
    """A page of a listing, as far as it has been read.

    `told` has what it says about itself, `versions` has the fields of each version.
    """

    def __init__(self) -> None:
        self.told: dict[str, str] = {}
        self.versions: list[dict[str, str]] = []
        self._fields: dict[str, str] = {}
        self._texts: list[str] = []
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._texts.append

    def read(self, data: bytes, is_all: bool) -> None:
        """Read the next part.

        :param data: the part.
        :param is_all: whether it is the last one.
        """
        self._parser.Parse(data, is_all)
        if is_all:
            del self._parser  # it refers to this page, which would wait for the garbage collector

    def _end(self, name: str) -> None:
        # Before the text of an element there may be an indent; no text that we want begins with a blank.
        text = "".join(self._texts).lstrip()
        self._texts.clear()
        if name == "Version":
            self.versions.append(self._fields)
            self._fields = {}
        elif name in _ABOUT_PAGE:
            self.told[name] = text
        elif name == "DeleteMarker":
            self._fields = {}
        elif name in _OF_A_VERSION:
            self._fields[name] = text

    @property
    def is_quoted(self) -> bool:
        return self.told.get("EncodingType") == "url"

    @property
    def tells_next(self) -> bool:
        """Whether it has told where the next page begins, or that there is none."""
        is_last = self.told.get("IsTruncated", "").lower() == "false"
        return is_last or {"IsTruncated", "NextKeyMarker", "NextVersionIdMarker"} <= self.told.keys()

    def next_marker(self, is_quoted: bool) -> Marker | None:
        """Where the next page begins; None if this is the last one."""
        if self.told.get("IsTruncated", "").lower() != "true":
            return None
        key = self.told.get("NextKeyMarker", "")
        return {
            "key-marker": unquote_plus(key) if is_quoted else key,
            "version-id-marker": self.told.get("NextVersionIdMarker", ""),
        }


def listed_versions(
    client: Minio, bucket: str, prefix: str, after: str = "", page_size: int = PAGE
) -> Iterator[ListedVersion]:
    """Every version of every object whose key starts with `prefix`, without delete and folder markers.

    From the second page on, a page is fetched while the one before it is read and consumed.

    :param client: the client.
    :param bucket: the bucket.
    :param prefix: the beginning of the keys.
    :param after: only versions of keys after this one.
    :param page_size: so many are asked for at once, at most `PAGE`.
    """
    page = _Page()
    page.read(_fetched(client, bucket, prefix, {"key-marker": after}, page_size), is_all=True)
    # MinIO tells only at the end of a page how its keys are written; later pages are written alike.
    is_quoted = page.is_quoted
    yield from _versions(bucket, page)
    marker = page.next_marker(is_quoted)
    if marker is None:
        return
    with ThreadPoolExecutor(1) as ahead:

        def asked_for(marker: Marker | None) -> Future[bytes] | None:
            return ahead.submit(_fetched, client, bucket, prefix, marker, page_size) if marker else None

        coming = asked_for(marker)
        while coming is not None:
            body, page = coming.result(), _Page()
            page.read(body[:HEAD_BYTES], is_all=False)
            is_early = page.tells_next
            if is_early:
                coming = asked_for(page.next_marker(is_quoted))
            page.read(body[HEAD_BYTES:], is_all=True)
            if not is_early or page.is_quoted != is_quoted:
                is_quoted = page.is_quoted
                coming = asked_for(page.next_marker(is_quoted))
            yield from _versions(bucket, page)


def _fetched(client: Minio, bucket: str, prefix: str, marker: Marker, page_size: int) -> bytes:
    query: dict[str, str | list[str] | tuple[str]] = {
        "versions": "",
        "delimiter": "",
        "encoding-type": "url",
        "max-keys": str(page_size),
        "prefix": prefix,
        **{name: value for name, value in marker.items() if value},
    }
    return bytes(client._execute("GET", bucket, query_params=query).data)


def _versions(bucket: str, page: _Page) -> Iterator[ListedVersion]:
    is_quoted = page.is_quoted
    for found in page.versions:
        key = found["Key"]
        if is_quoted and ("%" in key or "+" in key):
            key = unquote_plus(key)
        if key and not key.endswith("/"):
            yield ListedVersion(
                bucket,
                key,
                version_id_of(found.get("VersionId")),
                found.get("ETag", "").strip('"'),
                int(found.get("Size") or 0),
                found["LastModified"],
                found.get("IsLatest", "").lower() != "false",
            )
