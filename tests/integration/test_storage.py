"""The object store's client: exact versions, conditional writes, listings, and errors as sentences."""

from __future__ import annotations

import hashlib
import io
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_core.errors import KeyUnreadable, ObjectMissing, StoreError
from iris_core.ledger.workspace import Workspace
from iris_core.store.objects import ObjectStore, StoreAccess, parse_uri
from iris_core.store.versions import ObjectVersion, parse_address

CSV = "text/csv"
ODD_KEYS = (
    "iris/a b.csv",
    "iris/a+b.csv",
    "iris/100%.csv",
    "iris/a%20b.csv",
    "iris/Blüte é.csv",
    "iris/&=?#;:@,$.csv",
    "iris/~tilde(1)'!*.csv",
    "a/b/c/d/e.csv",
    "no-folder.csv",
)


@pytest.fixture
def store(workspace: Workspace) -> ObjectStore:
    return workspace.store


@pytest.fixture
def bucket(workspace: Workspace) -> str:
    return workspace.settings.bucket


@pytest.fixture
def plain_bucket(make_workspace: Callable[..., Workspace]) -> str:
    return make_workspace(versioned=False).settings.bucket


def put(store: ObjectStore, bucket: str, key: str, data: bytes) -> ObjectVersion:
    store.put(bucket, key, data, CSV)
    return store.head(bucket, key)


def next_second() -> None:
    """LastModified has whole seconds; an overwrite within one is the same identity."""
    time.sleep(1.01 - time.time() % 1)


def big(size: int) -> bytes:
    return bytes(range(251)) * (size // 251 + 1)


class TestVersions:
    def test_an_overwritten_version_still_reads(self, store: ObjectStore, bucket: str) -> None:
        first = put(store, bucket, "k.csv", b"first")
        second = put(store, bucket, "k.csv", b"the second")
        assert store.read(first) == b"first"
        assert store.read(second) == b"the second"
        assert store.get(bucket, "k.csv") == b"the second"
        assert first.digest != second.digest
        assert (first.size, second.size) == (5, 10)

    def test_the_same_bytes_again_are_another_version_with_the_same_etag(
        self, store: ObjectStore, bucket: str
    ) -> None:
        first, second = (put(store, bucket, "k.csv", b"same") for _ in range(2))
        assert first.etag == second.etag == hashlib.md5(b"same").hexdigest()
        assert first.digest != second.digest

    @pytest.mark.parametrize("key", ODD_KEYS)
    def test_any_key(self, store: ObjectStore, bucket: str, key: str) -> None:
        written = store.put(bucket, key, b"123", CSV)
        read = store.head(bucket, key)
        [listed] = store.versions(bucket, key)
        assert written.key == read.key == listed.object.key == key
        assert written.digest == read.digest == listed.object.digest
        assert read == listed.object
        assert store.read(read) == b"123"
        folder = key.rpartition("/")[0]
        assert list(store.keys(bucket, folder)) == [key]

    def test_listing_gives_newest_first_and_says_what_is_current(
        self, store: ObjectStore, bucket: str
    ) -> None:
        older, newer = (put(store, bucket, "iris/k.csv", data) for data in (b"1", b"2"))
        other = put(store, bucket, "iris/z.csv", b"3")
        store.admin.put_object(bucket, "iris/folder/", io.BytesIO(), 0)
        assert [(item.object, item.is_current) for item in store.versions(bucket, "iris/")] == [
            (newer, True),
            (older, False),
            (other, True),
        ]

    def test_a_deleted_object_is_listed_as_not_current(self, store: ObjectStore, bucket: str) -> None:
        gone = put(store, bucket, "k.csv", b"1")
        store.delete(bucket, "k.csv")
        [listed] = store.versions(bucket, "k.csv")
        assert (listed.object, listed.is_current) == (gone, False)
        assert store.read(gone) == b"1"
        with pytest.raises(ObjectMissing):
            store.head(bucket, "k.csv")

    def test_uri_names_the_version(self, store: ObjectStore, bucket: str) -> None:
        version = put(store, bucket, "k.csv", b"1")
        assert version.uri == f"s3://{bucket}/k.csv?versionId={version.version_id}"

    @pytest.mark.slow
    def test_more_versions_than_a_page_are_all_listed(self, store: ObjectStore, bucket: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: store.put(bucket, f"many/{i:04}.csv", b"", CSV), range(1010)))
        assert [item.object.key for item in store.versions(bucket, "many/")] == [
            f"many/{i:04}.csv" for i in range(1010)
        ]
        assert len(list(store.keys(bucket, "many"))) == 1010


class TestUnversioned:
    def test_identity_is_etag_and_second(self, store: ObjectStore, plain_bucket: str) -> None:
        first = put(store, plain_bucket, "k.csv", b"same")
        [listed] = store.versions(plain_bucket, "k.csv")
        assert first.version_id is None
        assert first == listed.object
        assert first.digest == listed.object.digest
        assert listed.is_current
        assert first.uri == f"s3://{plain_bucket}/k.csv"
        next_second()
        again = put(store, plain_bucket, "k.csv", b"same")
        assert again.etag == first.etag
        assert again.digest != first.digest

    def test_what_was_overwritten_is_missing_not_wrong(self, store: ObjectStore, plain_bucket: str) -> None:
        first = put(store, plain_bucket, "k.csv", b"first")
        put(store, plain_bucket, "k.csv", b"other")
        with pytest.raises(ObjectMissing, match=f"s3://{plain_bucket}/k.csv .*no longer in this version"):
            store.read(first)
        with pytest.raises(ObjectMissing):
            list(store.chunks(first))


class TestReading:
    @pytest.mark.parametrize(("start", "end"), [(0, 1), (0, 10), (3, 7), (9, 10)])
    def test_ranges_are_half_open(self, store: ObjectStore, bucket: str, start: int, end: int) -> None:
        data = b"0123456789"
        version = put(store, bucket, "k.csv", data)
        put(store, bucket, "k.csv", b"something else")
        assert store.read(version, start, end) == data[start:end]

    def test_twenty_megabytes_by_chunks_stream_copy_and_download(
        self, store: ObjectStore, bucket: str, tmp_path: object
    ) -> None:
        data = big(20 << 20)
        pieces = (data[i : i + 1_000_003] for i in range(0, len(data), 1_000_003))
        version = store.put_stream(bucket, "big.csv", pieces, CSV)
        assert version.size == len(data)
        read = list(store.chunks(version))
        assert b"".join(read) == data
        assert 1 < len(read) <= 4
        put(store, bucket, "big.csv", b"newer")
        copied = store.copy(version, bucket, "copy.csv")
        assert store.read(copied) == data
        path = store.download(version, str(tmp_path))
        assert path == f"{tmp_path}/big.csv"
        with open(path, "rb") as file:  # noqa: PTH123
            assert file.read() == data

    @pytest.mark.parametrize("size", [0, 1, 5 << 20])
    def test_streams_of_any_size(self, store: ObjectStore, bucket: str, size: int) -> None:
        data = big(size)[:size]
        version = store.put_stream(bucket, "k.csv", iter([data] if data else []), CSV)
        assert version.size == size
        assert store.read(version) == data
        assert b"".join(store.chunks(version)) == data

    @pytest.mark.parametrize("megabytes", [1, 12])
    def test_a_stream_that_breaks_leaves_nothing(
        self, store: ObjectStore, bucket: str, megabytes: int
    ) -> None:
        def breaks() -> Iterator[bytes]:
            for _ in range(megabytes):
                yield big(1 << 20)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.put_stream(bucket, "k.csv", breaks(), CSV)
        with pytest.raises(ObjectMissing):
            store.head(bucket, "k.csv")


class TestWriting:
    def test_create_is_won_by_exactly_one_of_sixteen(self, store: ObjectStore, bucket: str) -> None:
        start = Barrier(16)

        def create(number: int) -> bool:
            start.wait()
            return store.create(bucket, "once.json", f"{number}".encode(), "application/json")

        with ThreadPoolExecutor(16) as pool:
            won = list(pool.map(create, range(16)))
        assert won.count(True) == 1
        assert store.get(bucket, "once.json") == f"{won.index(True)}".encode()
        assert len(list(store.versions(bucket, "once.json"))) == 1

    def test_an_object_is_replaced_only_while_it_is_the_one_that_was_seen(
        self, store: ObjectStore, bucket: str
    ) -> None:
        assert not store.replace(bucket, "k", b"0", CSV, etag="1" * 32)
        assert store.replace(bucket, "k", b"1", CSV, etag="")
        assert not store.replace(bucket, "k", b"2", CSV, etag="")
        seen = store.head(bucket, "k").etag
        assert store.replace(bucket, "k", bytearray(b"3"), CSV, etag=seen)
        assert not store.replace(bucket, "k", b"4", CSV, etag=seen)
        assert store.get(bucket, "k") == b"3"

    def test_versions_come_over_many_pages(
        self, store: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written = [
            store.put(bucket, f"p/{key}", data, CSV) for key in "abc d+" for data in (b"1", b"2", b"3")
        ]
        store.delete(bucket, "p/c")
        whole = list(store.versions(bucket, "p/"))
        monkeypatch.setattr("iris_core.store.listing.PAGE", 2)
        assert list(store.versions(bucket, "p/")) == whole
        assert {item.object.version_id for item in whole} == {version.version_id for version in written}
        assert [item.is_current for item in whole if item.object.key == "p/c"] == [False] * 3

    def test_keys_come_sorted_by_folder_and_after_a_key(self, store: ObjectStore, bucket: str) -> None:
        for key in ("a/2", "a/1", "a/b/3", "ab/4"):
            store.put(bucket, key, b"", CSV)
        assert list(store.keys(bucket, "a")) == ["a/1", "a/2", "a/b/3"]
        assert list(store.keys(bucket, "a", after="a/1")) == ["a/2", "a/b/3"]
        assert list(store.keys(bucket, "nothing")) == []
        assert store.folders(bucket, "") == ["a", "ab"]
        assert store.folders(bucket, "a") == ["b"]

    def test_deleting_twice_is_no_error(self, store: ObjectStore, bucket: str) -> None:
        store.put(bucket, "k", b"", CSV)
        store.delete(bucket, "k")
        store.delete(bucket, "k")

    def test_a_bucket_is_made_once_and_versioned(self, store: ObjectStore, plain_bucket: str) -> None:
        assert put(store, plain_bucket, "k", b"1").version_id is None
        store.ensure_bucket(plain_bucket, versioned=True)
        store.ensure_bucket(plain_bucket, versioned=True)
        assert put(store, plain_bucket, "k", b"2").version_id


def every_call(store: ObjectStore, bucket: str) -> dict[str, Callable[[], object]]:
    gone = ObjectVersion(
        bucket=bucket,
        key="k.csv",
        version_id=None,
        etag="e",
        size=1,
        landed_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return {
        "head": lambda: store.head(bucket, "k.csv"),
        "get": lambda: store.get(bucket, "k.csv"),
        "read": lambda: store.read(gone),
        "chunks": lambda: list(store.chunks(gone)),
        "put": lambda: store.put(bucket, "k.csv", b"", CSV),
        "put_stream": lambda: store.put_stream(bucket, "k.csv", iter([b"1"]), CSV),
        "create": lambda: store.create(bucket, "k.csv", b"", CSV),
        "delete": lambda: store.delete(bucket, "k.csv"),
        "keys": lambda: list(store.keys(bucket, "k.csv")),
        "folders": lambda: store.folders(bucket, "k.csv"),
        "versions": lambda: list(store.versions(bucket, "k.csv")),
    }


CALLS = tuple(every_call(None, ""))  # type: ignore[arg-type]


def told(store: ObjectStore, bucket: str, call: str) -> StoreError:
    with pytest.raises(StoreError) as caught:
        every_call(store, bucket)[call]()
    message = str(caught.value)
    assert message.startswith(f"s3://{bucket}/k.csv")
    assert message.endswith(".")
    assert "\n" not in message
    assert store.access.secret_access_key not in message
    return caught.value


class TestErrors:
    @pytest.mark.parametrize("call", ["head", "get", "read", "chunks"])
    def test_a_missing_object(self, store: ObjectStore, bucket: str, call: str) -> None:
        assert isinstance(told(store, bucket, call), ObjectMissing)

    @pytest.mark.parametrize("call", CALLS)
    def test_a_missing_bucket(self, store: ObjectStore, bucket: str, call: str) -> None:
        error = told(store, f"{bucket}-nowhere", call)
        if call != "head":  # The answer to a HEAD says nothing.
            assert f"the store has no bucket '{bucket}-nowhere'. Create it" in str(error)

    @pytest.mark.parametrize("call", CALLS)
    def test_refused_credentials(self, store_access: StoreAccess, bucket: str, call: str) -> None:
        wrong = ObjectStore(replace(store_access, access_key_id="somebody", secret_access_key="not-told"))
        error = told(wrong, bucket, call)
        assert not isinstance(error, ObjectMissing)
        assert "refused the credentials" in str(error)
        assert "minio_default" in str(error)

    @pytest.mark.parametrize("call", ["get", "versions"])
    def test_no_store(self, store_access: StoreAccess, bucket: str, call: str) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
            error = told(ObjectStore(replace(store_access, endpoint_url=nowhere)), bucket, call)
        assert "no answer from the store" in str(error)

    def test_the_secret_is_not_in_a_repr(self, store: ObjectStore) -> None:
        assert store.access.secret_access_key not in repr(store.access)
        assert store.access.secret_access_key not in str(vars(store)["access"])


class TestOddKeys:
    """Keys that S3 allows and that one client or another refuses to send."""

    @pytest.mark.parametrize("key", ["in/tab\tx.csv", "in//x.csv", "in/del\x7f.csv", "in/end .csv "])
    def test_is_described_and_read(self, store: ObjectStore, bucket: str, key: str) -> None:
        written = store.admin.put_object(bucket, key, io.BytesIO(b"0123456789"), 10)
        found = store.head(bucket, key)
        assert (found.key, found.version_id, found.size) == (key, written.version_id, 10)
        assert store.read(found) == b"0123456789"
        assert store.read(found, 2, 5) == b"234"
        assert b"".join(store.chunks(found, 4)) == b"0123456789"
        assert store.read(found, 3, 3) == b""
        assert parse_uri(store, found.uri) == found

    @pytest.mark.parametrize("odd", ["\x01", "\x1f", "\x7f", "+", "%41", "é ü", "&<>'\""])
    def test_holds_nobody_in_a_listing(self, store: ObjectStore, bucket: str, odd: str) -> None:
        keys = [f"in/a{odd}b{number}.csv" for number in range(2)] + ["in/plain.csv"]
        for key in keys:
            store.admin.put_object(bucket, key, io.BytesIO(b"1"), 1)
        assert {listed.object.key for listed in store.versions(bucket, "in/")} == set(keys)

    def test_an_overwritten_version_of_one(self, store: ObjectStore, bucket: str) -> None:
        key = "in/tab\tx.csv"
        store.admin.put_object(bucket, key, io.BytesIO(b"first"), 5)
        first = store.head(bucket, key)
        store.admin.put_object(bucket, key, io.BytesIO(b"second"), 6)
        assert store.read(first) == b"first"
        assert parse_uri(store, first.uri) == first
        with pytest.raises(ObjectMissing):
            store.read(first.model_copy(update={"version_id": "00000000-0000-0000-0000-000000000000"}))

    @pytest.mark.parametrize("key", ["in/../x.csv", "./x.csv", "in/."])
    def test_a_segment_of_dots_is_refused_with_what_to_do(self, store: ObjectStore, key: str) -> None:
        version = ObjectVersion(
            bucket="b", key=key, version_id=None, etag="e", size=1, landed_at=datetime.now(UTC)
        )
        for call in (lambda: store.read(version), lambda: store.head("b", key)):
            with pytest.raises(KeyUnreadable, match=r"has a segment '\.\.?'.*Copy it to a key without one"):
                call()


def test_what_was_there_before_versioning_is_still_read(store: ObjectStore, plain_bucket: str) -> None:
    before = put(store, plain_bucket, "k.csv", b"before")
    store.ensure_bucket(plain_bucket, versioned=True)
    assert store.read(before) == b"before"
    after = put(store, plain_bucket, "k.csv", b"after")
    assert (before.version_id, bool(after.version_id)) == (None, True)
    assert store.read(before) == b"before"
    assert store.read(before, 1, 3) == b"ef"
    listed = [item.object for item in store.versions(plain_bucket, "k.csv")]
    assert listed == [after, before]


@pytest.mark.unit
class TestAddresses:
    @pytest.mark.parametrize(
        "key", [*ODD_KEYS, "a\tb", " c ", "d\u00a0", "e\ufeff", "f\u2028g", "🌼/%2F?x=1#y"]
    )
    def test_what_is_printed_can_be_typed_back(self, key: str) -> None:
        version = ObjectVersion(
            bucket="b", key=key, version_id="v1", etag="e", size=1, landed_at=datetime.now(UTC)
        )
        assert parse_address(version.uri) == ("b", key, "v1")
        assert parse_address(version.model_copy(update={"version_id": None}).uri) == ("b", key, None)
        assert version.uri.isprintable()

    @given(st.text(min_size=1, max_size=40), st.sampled_from([None, "v1"]))
    def test_any_key_at_all(self, key: str, version_id: str | None) -> None:
        version = ObjectVersion(
            bucket="b", key=key, version_id=version_id, etag="e", size=1, landed_at=datetime.now(UTC)
        )
        assert parse_address(version.uri) == ("b", key, version_id)

    @pytest.mark.parametrize("typed", ["s3://b", "s3://b/", "b/k", "http://b/k", ""])
    def test_what_names_no_object_is_refused(self, typed: str) -> None:
        with pytest.raises(ObjectMissing, match="names no object"):
            parse_address(typed)
