"""Lists object versions. minio-py takes longer to parse a page than MinIO takes to write it.

A look at everything lists a million versions. A store writes all of a page alike, so one expression, made
from the first version of a page, reads all of them; expat reads what surrounds them, and whole pages whose
versions are not all written alike. The next page is asked for as soon as the beginning of a page tells where
it begins, before the page itself is read.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import lru_cache, partial
from operator import itemgetter
from urllib.parse import unquote_plus
from xml.parsers import expat

from minio import Minio
from minio.error import MinioException

from iris_core.store.versions import ListedVersion
from iris_provider_minio.versions import version_id_of

PAGE = 1000
_ABOUT_PAGE = frozenset({"IsTruncated", "NextKeyMarker", "NextVersionIdMarker", "EncodingType"})
_OF_A_VERSION = ("Key", "VersionId", "ETag", "Size", "LastModified", "IsLatest")
_ENDS = "</Version>"
_TAG = re.compile("<[^<>]*>")
_BEGINS = re.compile(rb"<Version[\s>]")

Marker = dict[str, str]
Fields = tuple[str, ...]
"""Of a version, in the order of `_OF_A_VERSION`; "" for what the store does not tell."""


class _Page:
    """A page of a listing. What comes before the first version is read at once, the rest by `read`.

    `told` has what it says about itself, `versions` has the fields of each version.
    """

    def __init__(self, body: bytes) -> None:
        self.told: dict[str, str] = {}
        self.versions: list[Fields] = []
        self._fields: dict[str, str] = {}
        self._texts: list[str] = []
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._texts.append
        first = _BEGINS.search(body)
        head = first.start() if first else len(body)
        parser.Parse(body[:head], False)
        self._parser: expat.XMLParserType | None = parser
        self._rest = body[head:]

    def read(self) -> None:
        """Read the versions, and what comes after them, once."""
        if self._parser is None:
            return
        rest = self._rest
        if found := _alike(rest):
            self.versions, rest = found, rest.rpartition(_ENDS.encode())[2]
        self._parser.Parse(rest, True)
        self._rest = b""
        self._parser = None  # it refers to this page, which would wait for the garbage collector

    def _end(self, name: str) -> None:
        # Before the text of an element there may be an indent; no text that we want begins with a blank.
        text = "".join(self._texts).lstrip()
        self._texts.clear()
        if name == "Version":
            self.versions.append(tuple(self._fields.get(each, "") for each in _OF_A_VERSION))
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
        """Where the next page begins; None if this is the last one.

        :raises MinioException: it tells neither, as a page of a proxy does.
        """
        is_truncated, key = self.told.get("IsTruncated", "").lower(), self.told.get("NextKeyMarker", "")
        if is_truncated == "false":
            return None
        if is_truncated != "true" or not key:
            raise MinioException("the answer is no listing")
        return {
            "key-marker": unquote_plus(key) if is_quoted else key,
            "version-id-marker": self.told.get("NextVersionIdMarker", ""),
        }


def listed_versions(
    client: Minio, bucket: str, prefix: str, after: str = "", page_size: int = PAGE
) -> Iterator[ListedVersion]:
    """Every version of every object whose key starts with `prefix`, without delete and folder markers.

    From the second page on, pages are fetched while those before them are read and consumed.

    :param client: the client.
    :param bucket: the bucket.
    :param prefix: the beginning of the keys.
    :param after: only versions of keys after this one.
    :param page_size: so many are asked for at once, at most `PAGE`.
    """
    fetch = partial(_fetched, client, bucket, prefix, page_size)
    page = _Page(fetch({"key-marker": after}))
    page.read()
    yield from _versions(bucket, page)
    # MinIO tells only at the end of a page how its keys are written; later pages are written alike.
    marker = page.next_marker(page.is_quoted)
    while marker is not None:
        ahead = _Ahead(fetch, marker, page.is_quoted)
        marker = None
        with closing(ahead.pages()) as pages:
            for page in pages:
                yield from _versions(bucket, page)
                if page.is_quoted != ahead.is_quoted:
                    marker = page.next_marker(page.is_quoted)
                    break


class _Ahead:
    """Fetches pages in a thread of its own, which asks for the next page as soon as it has one.

    It need not wait until the page is read, nor for Python's lock, which the reader holds meanwhile.

    :param fetch: fetches the page at a marker.
    :param marker: of the first page.
    :param is_quoted: how the keys of all pages are written.
    """

    def __init__(self, fetch: Callable[[Marker], bytes], marker: Marker, is_quoted: bool) -> None:
        self._fetch = fetch
        self._marker: Marker | None = marker
        self.is_quoted = is_quoted

    def pages(self) -> Generator[_Page]:
        """The pages, read; at most two more are fetched meanwhile."""
        thread = ThreadPoolExecutor(1)
        try:
            coming = deque(thread.submit(self._next) for _ in range(2))
            while (page := coming.popleft().result()) is not None:
                coming.append(thread.submit(self._next))
                page.read()
                yield page
        finally:
            thread.shutdown(cancel_futures=True)

    def _next(self) -> _Page | None:
        """The next page, of which what comes before its versions is read; None after the last one.

        After an error there is no next page: the store is not asked once more.
        """
        marker, self._marker = self._marker, None
        if marker is None:
            return None
        page = _Page(self._fetch(marker))
        if not page.tells_next:
            page.read()
        self._marker = page.next_marker(self.is_quoted)
        return page


def _fetched(client: Minio, bucket: str, prefix: str, page_size: int, marker: Marker) -> bytes:
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
    for key, version_id, etag, size, modified, is_latest in page.versions:
        if is_quoted and ("%" in key or "+" in key):
            key = unquote_plus(key)
        if key and not key.endswith("/"):
            yield ListedVersion(
                bucket,
                key,
                version_id_of(version_id),
                etag.strip('"'),
                int(size or 0),
                modified,
                is_latest.lower() != "false",
            )


def _alike(body: bytes) -> list[Fields]:
    """The fields of a page's versions; empty if they are not all written like the first one, in plain text.

    :param body: the page from its first version on.
    """
    plain = body.replace(b"&#34;", b'"').replace(b"&quot;", b'"')
    if not plain.isascii() or b"&" in plain or b"\r" in plain:
        return []
    text = plain.decode()
    read = _reader(tuple(_TAG.findall(text.partition(_ENDS)[0])))
    found = read(text) if read else []
    return found if len(found) == plain.count(_ENDS.encode()) else []


@lru_cache(8)
def _reader(tags: tuple[str, ...]) -> Callable[[str], list[Fields]] | None:
    """Reads versions that are written with these tags, in this order; None if fields are missing there.

    :param tags: of a version, without the last one.
    """
    names: list[str] = []
    pattern = ""
    for tag, following in zip(tags, (*tags, _ENDS)[1:], strict=True):
        name = tag[1:-1]
        is_field = name in _OF_A_VERSION and following == f"</{name}>"
        names += [name] if is_field else []
        pattern += re.escape(tag) + ("([^<]*)" if is_field else "[^<]*")
    if sorted(names) != sorted(_OF_A_VERSION):
        return None
    found_in, ordered = (
        re.compile(pattern + _ENDS).findall,
        itemgetter(*map(names.index, _OF_A_VERSION)),
    )
    return lambda text: list(map(ordered, found_in(text)))
