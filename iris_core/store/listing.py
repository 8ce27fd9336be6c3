"""Lists object versions. minio-py takes longer to parse a page than MinIO takes to write it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from minio import Minio

from iris_core.store.answers import version_id_of
from iris_core.store.versions import ListedVersion, ObjectVersion

PAGE = 1000


class _Page(NamedTuple):
    """A page of a listing."""

    root: ElementTree.Element
    space: str
    """XML namespace of its elements, in braces."""

    def text(self, name: str) -> str:
        return self.root.findtext(f"{self.space}{name}") or ""

    def key(self, name: str) -> str:
        return unquote_plus(self.text(name)) if self.is_quoted else self.text(name)

    @property
    def is_quoted(self) -> bool:
        return self.text("EncodingType") == "url"

    def next_marker(self) -> dict[str, str] | None:
        """Where the next page begins; None if this is the last one."""
        if self.text("IsTruncated").lower() != "true":
            return None
        return {
            "key-marker": self.key("NextKeyMarker"),
            "version-id-marker": self.text("NextVersionIdMarker"),
        }


def listed_versions(client: Minio, bucket: str, prefix: str, after: str = "") -> Iterator[ListedVersion]:
    """Every version of every object whose key starts with `prefix`, without delete and folder markers.

    From the second page on, a page is fetched while the one before it is consumed.

    :param client: the client.
    :param bucket: the bucket.
    :param prefix: the beginning of the keys.
    :param after: only of keys after this one.
    """
    page = _fetched(client, bucket, prefix, {"key-marker": after})
    yield from _versions(bucket, page)
    marker = page.next_marker()
    if marker is None:
        return
    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(_fetched, client, bucket, prefix, marker)
        while marker is not None:
            page = coming.result()
            marker = page.next_marker()
            if marker is not None:
                coming = ahead.submit(_fetched, client, bucket, prefix, marker)
            yield from _versions(bucket, page)


def _fetched(client: Minio, bucket: str, prefix: str, marker: dict[str, str]) -> _Page:
    query: dict[str, str | list[str] | tuple[str]] = {
        "versions": "",
        "delimiter": "",
        "encoding-type": "url",
        "max-keys": str(PAGE),
        "prefix": prefix,
        **{name: value for name, value in marker.items() if value},
    }
    response = client._execute("GET", bucket, query_params=query)
    root = ElementTree.fromstring(response.data)  # noqa: S314 - the store's own answer
    return _Page(root, root.tag.removesuffix("ListVersionsResult"))


def _versions(bucket: str, page: _Page) -> Iterator[ListedVersion]:
    wanted, skipped, is_quoted = f"{page.space}Version", len(page.space), page.is_quoted
    for element in page.root:
        if element.tag != wanted:
            continue
        found = {child.tag[skipped:]: child.text or "" for child in element}
        key = unquote_plus(found["Key"]) if is_quoted else found["Key"]
        if key and not key.endswith("/"):
            version = ObjectVersion(
                bucket=bucket,
                key=key,
                version_id=version_id_of(found.get("VersionId")),
                etag=found.get("ETag", "").strip('"'),
                size=int(found.get("Size") or 0),
                landed_at=datetime.fromisoformat(found["LastModified"]).replace(microsecond=0),
            )
            yield ListedVersion(version, found.get("IsLatest", "").lower() != "false")
