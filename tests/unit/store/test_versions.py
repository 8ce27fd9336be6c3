"""What an object version is called elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_provider_minio.versions import LONGEST_NAME, ObjectVersion

pytestmark = pytest.mark.unit


def version(key: str) -> ObjectVersion:
    return ObjectVersion(bucket="b", key=key, version_id=None, etag="e", size=1, landed_at=datetime.now(UTC))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("iris/iris_train.csv", "iris_train.csv"),
        ("a/b c.csv.gz", "b c.csv.gz"),
        ("a/tab\tx.csv", "tab_x.csv"),
        ("a/.", "object"),
        ("a/..", "object"),
        ("a/ ", "object"),
    ],
)
def test_a_copy_is_named_like_the_object(key: str, expected: str) -> None:
    assert version(key).file_name == expected


def test_a_long_name_keeps_its_beginning_and_ending() -> None:
    name = version("in/" + "k" * 990 + ".csv.gz").file_name
    assert (len(name), name[:10], name[-8:]) == (LONGEST_NAME, "k" * 10, "k.csv.gz")


@given(st.text(min_size=1, max_size=400))
def test_any_key_gives_a_name_that_a_store_and_a_disk_take(key: str) -> None:
    name = version(key).file_name
    assert 0 < len(name.encode()) <= LONGEST_NAME
    assert "/" not in name
    assert not any(ord(character) < 32 or ord(character) == 127 for character in name)
    assert name not in (".", "..")
