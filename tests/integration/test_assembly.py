"""One object written in parts by several processes, in the embedded store and in a real MinIO (MINIO_BIN)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from iris_core.errors import StoreError
from iris_core.store.assembly import LEAST_PIECE_BYTES, RECORD, Assembly, WrittenPart, abandon
from iris_core.store.objects import ObjectStore, StoreAccess
from tests.real_minio import KEY, SECRET, real_minio, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

BUCKET, WHOLE, FOLDER, CSV = "joined", "published/whole.csv", "work/one", "text/csv"
LEAST = LEAST_PIECE_BYTES
LARGE = 3 * LEAST + 17


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
    for upload in uploads(opened):
        opened.admin._abort_multipart_upload(BUCKET, WHOLE, upload)


def assembly(store: ObjectStore, count: int) -> Assembly:
    return Assembly(store, BUCKET, WHOLE, CSV, FOLDER, count)


def written(store: ObjectStore, count: int, index: int, content: bytes, step: int = 1 << 20) -> WrittenPart:
    with assembly(store, count).writing(index) as part:
        for place in range(0, len(content), step):
            part.write(memoryview(content)[place : place + step])
    return part.written


def uploads(store: ObjectStore) -> list[str]:
    return [one.upload_id or "" for one in store.admin._list_multipart_uploads(BUCKET, prefix=WHOLE).uploads]


def is_there(store: ObjectStore) -> bool:
    return WHOLE in store.keys(BUCKET, "")


@pytest.mark.parametrize(
    "sizes",
    [
        [LARGE, LARGE, LARGE],
        [100, 0, LARGE, 7, LEAST, 2 * LEAST - 1, LARGE, 2 * LEAST, 5, 6],
        [LARGE, 0, 0],
        [0, 0, LARGE],
        [100, LEAST, 3],
        [0, 0],
        [LARGE],
        [9],
    ],
)
def test_parts_of_any_size_written_in_any_order_are_one_object(store: ObjectStore, sizes: list[int]) -> None:
    contents = [os.urandom(size) for size in sizes]
    places = range(len(sizes))
    parts = {place: written(store, len(sizes), place, contents[place]) for place in reversed(places)}
    assert not is_there(store), "nothing is seen before all is put together"
    assert [parts[place].size for place in places] == sizes
    assert len(uploads(store)) == any(part.etags for part in parts.values())
    made = assembly(store, len(sizes)).put_together([parts[place] for place in places])
    assert store.read(made) == b"".join(contents)
    assert uploads(store) == []


def test_large_parts_are_not_copied(store: ObjectStore) -> None:
    """What is below the folder until the object is there: only the first bytes of all but the first part."""
    parts = [written(store, 3, index, os.urandom(LARGE)) for index in range(3)]
    heads = [store.head(BUCKET, key).size for key in store.keys(BUCKET, FOLDER) if not key.endswith(RECORD)]
    assert heads == [LEAST, LEAST]
    assert assembly(store, 3).put_together(parts).etag.endswith(f"-{sum(len(part.etags) for part in parts)}")


def test_a_part_that_is_written_again_takes_the_place_of_the_first(store: ObjectStore) -> None:
    contents = [os.urandom(LARGE) for _ in range(3)]
    parts = [written(store, 3, index, content) for index, content in enumerate(contents)]
    again = written(store, 3, 1, contents[1], step=3 << 20)
    assert again.etags == parts[1].etags, "the same bytes are the same pieces"
    made = assembly(store, 3).put_together([parts[0], again, parts[2]])
    assert store.read(made) == b"".join(contents)


def test_a_part_that_was_replaced_by_other_bytes_is_noticed(store: ObjectStore) -> None:
    parts = [written(store, 2, index, os.urandom(LARGE)) for index in range(2)]
    other = written(store, 2, 1, os.urandom(LARGE))
    with pytest.raises(StoreError, match="InvalidPart"):
        assembly(store, 2).put_together(parts)
    assert not is_there(store)
    assert assembly(store, 2).put_together([parts[0], other]).size == 2 * LARGE


@pytest.mark.parametrize("sizes", [[LARGE, LARGE], [LARGE, 20, LARGE], [LARGE, 20]])
def test_putting_together_again_is_the_same_version(store: ObjectStore, sizes: list[int]) -> None:
    parts = [written(store, len(sizes), index, os.urandom(size)) for index, size in enumerate(sizes)]
    made = assembly(store, len(sizes)).put_together(parts)
    assert assembly(store, len(sizes)).put_together(parts) == made
    store.put(BUCKET, WHOLE, b"another", CSV)
    with pytest.raises(StoreError, match="NoSuchUpload"):
        assembly(store, len(sizes)).put_together(parts)


def test_parts_that_begin_at_once_share_an_upload(store: ObjectStore) -> None:
    contents = [os.urandom(LARGE) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        parts = [*pool.map(lambda index: written(store, 8, index, contents[index]), range(8))]
    assert [part.upload for part in parts] == uploads(store) * 8
    assert store.read(assembly(store, 8).put_together(parts)) == b"".join(contents)


def test_after_an_upload_is_gone_the_next_attempt_begins_it_again(store: ObjectStore) -> None:
    """As after a day, when the store drops it, or where another run has published meanwhile."""

    def write_late() -> None:
        with assembly(store, 2).writing(0) as part:
            part.write(content)
            store.admin._abort_multipart_upload(BUCKET, WHOLE, uploads(store)[0])
            part.write(content)

    content = os.urandom(LARGE)
    parts = [written(store, 2, index, content) for index in range(2)]
    store.admin._abort_multipart_upload(BUCKET, WHOLE, parts[0].upload)
    with pytest.raises(StoreError, match="NoSuchUpload"):
        assembly(store, 2).put_together(parts)
    with pytest.raises(StoreError, match="NoSuchUpload"):
        write_late()
    parts = [written(store, 2, index, content) for index in range(2)]
    assert store.read(assembly(store, 2).put_together(parts)) == 2 * content


def test_what_is_abandoned_leaves_no_upload(store: ObjectStore) -> None:
    written(store, 2, 0, os.urandom(LARGE))
    assert len(uploads(store)) == 1
    [record] = [key for key in store.keys(BUCKET, FOLDER) if key.endswith(RECORD)]
    for _ in range(2):
        abandon(store, BUCKET, WHOLE, record)
        assert uploads(store) == []
        assert record not in store.keys(BUCKET, FOLDER)


@pytest.mark.parametrize(("count", "left"), [(1, 0), (2, 1)])
def test_a_part_that_fails(store: ObjectStore, count: int, left: int) -> None:
    """Alone it leaves nothing; beside others it leaves the upload that they write to."""

    def fail() -> None:
        with assembly(store, count).writing(0) as part:
            part.write(os.urandom(LARGE))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(uploads(store)) == left
    assert (
        store.read(assembly(store, count).put_together([written(store, count, 0, b"a" * LARGE)]))
        == b"a" * LARGE
    )
