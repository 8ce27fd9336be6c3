"""Pages of a listing of versions: none is missed, and none is asked for too early."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote_plus

import pytest
from minio import Minio

from iris_core.store.listing import listed_versions

pytestmark = pytest.mark.unit

SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Answering:
    """Answers with the versions of so many keys, a few a page, as MinIO writes them."""

    def __init__(self, keys: list[str], page: int = 2, space: str = SPACE) -> None:
        self.keys, self.page, self.space = sorted(keys), page, space
        self.asked: list[dict[str, str]] = []

    def _execute(self, method: str, bucket: str, query_params: dict[str, str]) -> Any:
        self.asked.append(query_params)
        left = [key for key in self.keys if key > query_params.get("key-marker", "")]
        here, rest = left[: self.page], left[self.page :]
        more = f"<NextKeyMarker>{quote_plus(here[-1])}</NextKeyMarker>" if rest else ""
        listed = "".join(
            f"<Version><Key>{quote_plus(key)}</Key><LastModified>2026-11-01T12:00:00.123Z</LastModified>"
            f"<ETag>&#34;e&#34;</ETag><Size>3</Size><VersionId>v</VersionId><IsLatest>true</IsLatest>"
            f"<Owner><ID>x</ID></Owner></Version><DeleteMarker><Key>gone</Key></DeleteMarker>"
            for key in here
        )
        space = f' xmlns="{self.space}"' if self.space else ""
        body = (
            f"<ListVersionsResult{space}><IsTruncated>{str(bool(rest)).lower()}</IsTruncated>{more}"
            f"<EncodingType>url</EncodingType>{listed}</ListVersionsResult>"
        )
        return SimpleNamespace(data=body.encode())


def listing(answering: Answering) -> Any:
    return listed_versions(cast(Minio, answering), "b", "p/")


@pytest.mark.parametrize("space", [SPACE, ""])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_every_page_is_listed(count: int, space: str) -> None:
    keys = [f"p/{number} +%&.csv" for number in range(count)]
    found = list(listing(Answering(keys, space=space)))
    assert [item.object.key for item in found] == keys
    for item in found:
        assert (item.object.etag, item.object.size, item.object.version_id) == ("e", 3, "v")
        assert item.object.landed_at.isoformat() == "2026-11-01T12:00:00+00:00"
        assert item.is_current


def test_folder_markers_are_left_out() -> None:
    assert [item.object.key for item in listing(Answering(["p/", "p/a", "p/b/"]))] == ["p/a"]


def test_who_wants_the_first_page_asks_for_one() -> None:
    answering = Answering([f"p/{number}" for number in range(9)])
    found = listing(answering)
    next(found), next(found)
    assert len(answering.asked) == 1
    next(found)
    found.close()
    assert len(answering.asked) == 3


def test_an_error_of_a_later_page_is_raised() -> None:
    answering = Answering([f"p/{number}" for number in range(9)])
    found = listing(answering)
    next(found)
    answering._execute = None  # type: ignore[assignment, method-assign]
    with pytest.raises(TypeError):
        list(found)


def test_it_begins_after_a_key() -> None:
    answering = Answering([f"p/{number}" for number in range(9)])
    found = listed_versions(cast(Minio, answering), "b", "p/", after="p/4")
    assert [item.object.key for item in found] == ["p/5", "p/6", "p/7", "p/8"]
