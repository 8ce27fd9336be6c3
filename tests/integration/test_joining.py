"""Joining parts into one object, by the embedded store and by a real MinIO (MINIO_BIN)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris_core.errors import StoreError
from iris_core.store import pieces
from iris_core.store.objects import ObjectStore, ObjectVersion, StoreAccess
from tests.real_minio import KEY, SECRET, real_minio, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

BUCKET, WHOLE, CSV = "joined", "whole.csv", "text/csv"
LEAST = pieces.LEAST_PART_BYTES


@pytest.fixture(scope="module", params=["embedded", "minio"])
def opened(
    request: pytest.FixtureRequest, store_access: StoreAccess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ObjectStore]:
    if request.param == "embedded":
        yield _with_bucket(store_access)
        return
    data: Path = tmp_path_factory.mktemp("minio")
    with real_minio(data) as endpoint:
        yield _with_bucket(StoreAccess(endpoint, KEY, SECRET))


def _with_bucket(access: StoreAccess) -> ObjectStore:
    store = ObjectStore(access)

    def is_made() -> bool:
        """A MinIO that says it is ready may still answer 503 on a busy machine."""
        try:
            store.ensure_bucket(BUCKET)
        except StoreError:
            return False
        return True

    wait_until(is_made, 60)
    return store


@pytest.fixture
def store(opened: ObjectStore) -> Iterator[ObjectStore]:
    yield opened
    for key in [*opened.keys(BUCKET, "")]:
        opened.erase(BUCKET, key)


def put(store: ObjectStore, *contents: bytes) -> list[ObjectVersion]:
    return [store.put(BUCKET, f"work/{number}", data, CSV) for number, data in enumerate(contents)]


def test_exactly_these_versions_are_joined_in_their_order(store: ObjectStore) -> None:
    contents = [os.urandom(LEAST + (20 << 10) * number) for number in range(9)]
    contents.insert(4, b"")
    parts = put(store, *contents, b"the end", b"")
    for part in parts:
        store.put(BUCKET, part.key, b"a newer version", CSV)
    made = store.compose(parts, BUCKET, WHOLE, CSV)
    assert made.etag.endswith("-10"), "joined by the store, without the empty ones"
    assert store.read(made) == b"".join(contents) + b"the end"


def test_a_large_part_is_copied_in_pieces(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "COPY_BYTES", LEAST)
    data = os.urandom(6 * LEAST + 3)
    made = store.compose(put(store, data), BUCKET, WHOLE, CSV)
    assert made.etag.endswith("-6")
    assert store.read(made) == data


def test_small_parts_pass_through_this_process(store: ObjectStore) -> None:
    for contents in ([b"small", os.urandom(LEAST)], [b"one"], [b"", b""]):
        made = store.compose(put(store, *contents), BUCKET, WHOLE, CSV)
        assert store.read(made) == b"".join(contents)


def test_nothing_is_left_of_a_join_that_fails(store: ObjectStore) -> None:
    parts = put(store, *[os.urandom(LEAST)] * 6)
    store.erase(BUCKET, parts[3].key)
    with pytest.raises(StoreError):
        store.compose(parts, BUCKET, WHOLE, CSV)
    assert WHOLE not in store.keys(BUCKET, "")
    assert store.admin._list_multipart_uploads(BUCKET, prefix=WHOLE).uploads == []


def test_a_very_large_object_has_no_more_pieces_than_a_store_takes() -> None:
    part = ObjectVersion.model_construct(size=1 << 40)
    cut = pieces.pieces_of([part, part])
    assert len(cut) <= pieces.MOST_PIECES
    assert sum(piece.length for piece in cut) == 2 << 40
    assert min(piece.length for piece in cut) >= LEAST
