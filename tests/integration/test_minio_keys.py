"""Keys that a real MinIO lets in: with control characters they are listed, read and hold nobody.

Keys below the key of an object are not listed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris_core.errors import StoreError
from iris_core.store.objects import ObjectStore, StoreAccess, parse_uri
from tests.real_minio import KEY, SECRET, real_minio, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

BUCKET = "odd-keys"
NAMES = ("a\tb", "a\nb", "\x01", "a\x7f", "\x1b[2J", "plain")
KEYS = [f"in/{name}.csv" for name in NAMES]


def _has_bucket(store: ObjectStore) -> bool:
    """A MinIO that says it is ready may still answer 503 on a busy machine."""
    try:
        store.ensure_bucket(BUCKET)
    except StoreError:
        return False
    return True


@pytest.fixture(scope="module")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    data: Path = tmp_path_factory.mktemp("minio")
    with real_minio(data) as endpoint:
        store = ObjectStore(StoreAccess(endpoint, KEY, SECRET))
        wait_until(lambda: _has_bucket(store), 60)
        for key in KEYS:
            store.admin.put_object(BUCKET, key, io.BytesIO(key.encode()), len(key.encode()))
        yield store


def test_all_are_listed(minio: ObjectStore) -> None:
    assert {listed.object.key for listed in minio.versions(BUCKET, "in/")} == set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_each_is_read_and_its_address_can_be_typed_back(minio: ObjectStore, key: str) -> None:
    found = minio.head(BUCKET, key)
    assert minio.read(found) == key.encode()
    assert parse_uri(minio, found.uri) == found
    assert found.uri.isprintable()


def test_nothing_is_listed_below_the_key_of_an_object_nor_of_a_deleted_one(minio: ObjectStore) -> None:
    minio.put(BUCKET, "below/a.csv", b"a", "text/csv")
    assert [listed.key for listed in minio.versions(BUCKET, "below/")] == ["below/a.csv"]
    minio.put(BUCKET, "below", b"a", "text/csv")
    assert list(minio.versions(BUCKET, "below/")) == []
    minio.delete(BUCKET, "below")
    assert list(minio.versions(BUCKET, "below/")) == []
    minio.erase(BUCKET, "below")
    assert [listed.key for listed in minio.versions(BUCKET, "below/")] == ["below/a.csv"]


def test_a_write_after_a_refused_one_is_taken(minio: ObjectStore) -> None:
    """MinIO closes the connection on which it refuses a write."""
    minio.create(BUCKET, "taken", b"a", "text/plain")
    for number in range(50):
        assert not minio.create(BUCKET, "taken", b"b", "text/plain")
        assert minio.create(BUCKET, f"new/{number}", b"a", "text/plain")
