"""Pages of a listing of versions: none is missed, and none is asked for too early."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from time import sleep
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minio import Minio

from iris_core.errors import StoreError
from iris_core.store.answers import store_errors
from iris_core.store.listing import _Ahead, listed_versions
from iris_core.store.versions import ListedVersion, ObjectVersion

pytestmark = pytest.mark.unit

SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Answering:
    """Answers with the versions of so many keys, a few a page.

    :param order: in which order a page has its parts: as MinIO, as Amazon or as nobody writes it.
    :param quotes: on which pages keys are escaped; from the first on if there are more.
    """

    def __init__(
        self, keys: list[str], page: int = 2, space: str = SPACE, order: str = "mvt", quotes: str = "y"
    ) -> None:
        self.keys, self.page, self.space, self.order, self.quotes = sorted(keys), page, space, order, quotes
        self.asked: list[dict[str, str]] = []

    def quoted(self, key: str) -> str:
        is_quoted = self.quotes[(len(self.asked) - 1) % len(self.quotes)] == "y"
        return quote_plus(key) if is_quoted else escape(key)

    def _execute(self, method: str, bucket: str, query_params: dict[str, str]) -> Any:
        self.asked.append(query_params)
        left = [key for key in self.keys if key > query_params.get("key-marker", "")]
        here, rest = left[: self.page], left[self.page :]
        last = self.quoted(here[-1]) if rest else ""
        listed = "".join(
            f"<Version>\n <Key>{self.quoted(key)}</Key><LastModified>2026-11-01T12:00:00.123Z</LastModified>"
            f"<ETag>&#34;e&#34;</ETag><Size>3</Size><VersionId>v</VersionId><IsLatest>true</IsLatest>"
            f"<Owner><ID>x</ID></Owner></Version><DeleteMarker><Key>gone</Key></DeleteMarker>"
            for key in here
        )
        space = f' xmlns="{self.space}"' if self.space else ""
        is_quoted = self.quoted("+") != "+"
        parts = {
            "m": f"<IsTruncated>{str(bool(rest)).lower()}</IsTruncated>"
            f"<NextKeyMarker>{last}</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker>",
            "t": "<EncodingType>url</EncodingType>" if is_quoted else "",
            "v": listed,
        }
        body = "".join(parts[name] for name in self.order)
        return SimpleNamespace(data=f"<ListVersionsResult{space}>{body}</ListVersionsResult>".encode())


def listing(answering: Answering) -> Any:
    return listed_versions(cast(Minio, answering), "b", "p/")


@pytest.mark.parametrize("space", [SPACE, ""])
@pytest.mark.parametrize("order", ["mvt", "tmv", "vtm"])
@pytest.mark.parametrize("quotes", ["y", "n", "yn", "nny"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_every_page_is_listed(
    count: int, quotes: str, order: str, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much of a page is read before the next one is asked for, and whatever it begins with."""
    keys = [f"p/{number} +%&%2B.csv" for number in range(count)]
    answering = Answering(keys, space=space, order=order, quotes=quotes)
    found = list(listing(answering))
    assert [item.object.key for item in found] == keys
    for item in found:
        assert (item.object.etag, item.object.size, item.object.version_id) == ("e", 3, "v")
        assert item.object.landed_at.isoformat() == "2026-11-01T12:00:00+00:00"
        assert item.is_current
        assert item.day == item.object.landed_at.date().isoformat()
        assert item.digest_bytes.hex() == item.object.digest


@given(key=st.text(min_size=1), version=st.none() | st.text(min_size=1), seconds=st.integers(0, 2**31))
def test_a_digest_is_that_of_a_json_list(key: str, version: str | None, seconds: int) -> None:
    landed = datetime.fromtimestamp(seconds, UTC)
    found = ObjectVersion(bucket="b", key=key, version_id=version, etag="e", size=1, landed_at=landed)
    named = ["b", key, version] if version else ["b", key, "e", landed.isoformat()]
    assert found.digest == sha256(json.dumps(named).encode()).hexdigest()[:32]
    assert ListedVersion.of(found, True).digest_bytes.hex() == found.digest


def test_folder_markers_are_left_out() -> None:
    assert [item.object.key for item in listing(Answering(["p/", "p/a", "p/b/"]))] == ["p/a"]


def test_who_wants_the_first_page_asks_for_one() -> None:
    answering = Answering([f"p/{number}" for number in range(99)])
    found = listing(answering)
    next(found), next(found)
    assert len(answering.asked) == 1
    next(found)
    found.close()
    asked = len(answering.asked)
    assert 2 <= asked <= 4, "two pages ahead at most"
    sleep(0.05)
    assert len(answering.asked) == asked


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html><body>Log in<br></body></html>",
        "<html><body>Log in</body></html>",
        "<ListVersionsResult><IsTruncated>true</IsTruncated></ListVersionsResult>",
        "<ListVersionsResult><IsTruncated>false</IsTruncated><Version><Key>a</Key>",
    ],
)
def test_an_answer_that_is_no_listing_is_refused(body: str) -> None:
    answering = Answering([])
    answering._execute = lambda *_, **__: SimpleNamespace(data=body.encode())  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="s3://b/p/: no answer from the store"), store_errors("b", "p/"):
        list(listing(answering))


def test_an_error_of_a_later_page_is_raised() -> None:
    answering = Answering([f"p/{number}" for number in range(9)])
    found = listing(answering)
    next(found)
    answering._execute = None  # type: ignore[assignment, method-assign]
    with pytest.raises(TypeError):
        list(found)


def test_after_an_error_the_store_is_not_asked_once_more() -> None:
    asked: list[object] = []

    def fails(marker: object) -> bytes:
        asked.append(marker)
        raise OSError("gone")

    ahead = _Ahead(fails, {"key-marker": "p/1"}, True)
    with pytest.raises(OSError, match="gone"):
        ahead._next()
    assert ahead._next() is None
    assert len(asked) == 1


def test_it_begins_after_a_key() -> None:
    answering = Answering([f"p/{number}" for number in range(9)])
    found = listed_versions(cast(Minio, answering), "b", "p/", after="p/4")
    assert [item.object.key for item in found] == ["p/5", "p/6", "p/7", "p/8"]


ALIKE = (
    "<Version><Key>p/{}</Key><LastModified>2026-11-01T12:00:00Z</LastModified><ETag>&quot;e&quot;</ETag>"
    "<Size>3</Size><Owner><ID>x</ID></Owner><VersionId>v</VersionId><IsLatest>true</IsLatest></Version>"
)
OTHERS = {
    "another order": "<Version><Size>3</Size><ETag>e</ETag><LastModified>2026-11-01T12:00:00Z</LastModified>"
    "<IsLatest>true</IsLatest><VersionId>v</VersionId><Key>p/b</Key></Version>",
    "one more field": ALIKE.format("b").replace("<Owner>", "<StorageClass>STANDARD</StorageClass><Owner>"),
    "one field less": ALIKE.format("b").replace("<Owner><ID>x</ID></Owner>", ""),
    "a blank in a tag": ALIKE.format("b").replace("<Version>", "<Version >"),
    "escaped text": ALIKE.format("&#98;"),
    "a section": ALIKE.format("<![CDATA[b]]>"),
    "a comment": ALIKE.format("b").replace("<Size>", "<!-- <Version> --><Size>"),
    "other text": ALIKE.format("\u00fc"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_versions_need_not_be_written_alike(other: str, place: int) -> None:
    written = [ALIKE.format("a"), ALIKE.format("c")]
    written.insert(place, other)
    body = f"<R><Prefix>p/</Prefix>{''.join(written)}<IsTruncated>false</IsTruncated></R>"
    store = SimpleNamespace(_execute=lambda *_, **__: SimpleNamespace(data=body.encode()))
    found = [item.object for item in listed_versions(cast(Minio, store), "b", "p/")]
    assert {item.key for item in found} in ({"p/a", "p/b", "p/c"}, {"p/a", "p/\u00fc", "p/c"})
    assert {(item.etag, item.size, item.version_id) for item in found} == {("e", 3, "v")}
