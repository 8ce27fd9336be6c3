"""What moto's classes are made to do differently."""

from __future__ import annotations

import copy
import gc
import hashlib
import weakref
from pathlib import Path
from typing import Any

import pytest

from devstack.embedded_s3 import stored
from devstack.embedded_s3.stored import KeyStore, PayloadFile, StoredKey

pytestmark = pytest.mark.unit


def key(name: str = "k", value: bytes = b"bytes", **arguments: Any) -> StoredKey:
    arguments = {"account_id": "123456789012", "region_name": "us-east-1", "bucket_name": "b"} | arguments
    return StoredKey(name, value, **arguments)


def test_etag_is_known_before_anyone_asks() -> None:
    assert key()._etag == hashlib.md5(b"bytes").hexdigest()
    assert key(etag="of-parts-2")._etag == "of-parts-2"


def test_copies_have_no_payload_and_leave_it_alone() -> None:
    original = key()
    twin = copy.deepcopy(original)
    assert (twin.name, twin.etag, twin.size, twin.value) == ("k", original.etag, 5, b"")
    del twin
    gc.collect()
    assert original.value == b"bytes"
    original.dispose()


def test_payload_on_disk_is_read_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"bytes")
    moved = key()
    moved.keep_at(tmp_path / "p")
    assert (moved.value, moved.value) == (b"bytes", b"bytes")
    assert isinstance(moved._value_buffer, PayloadFile)


def test_last_modified_has_milliseconds_in_listings() -> None:
    stamped = key()
    stamped.last_modified = stamped.last_modified.replace(microsecond=45_678)
    assert stamped.last_modified_ISO8601.endswith(".045Z")


def test_folder_markers_have_the_null_version() -> None:
    assert key("dir/", version_id="v").version_id == "null"
    assert key("dir", version_id="v").version_id == "v"


def test_request_headers_are_not_metadata() -> None:
    described = key()
    described.set_metadata({"x-amz-content-sha256": "1", "Content-MD5": "2", "x-amz-meta-n": "3"})
    assert dict(described.metadata) == {"content-type": "binary/octet-stream", "x-amz-meta-n": "3"}


def test_keys_can_vanish_during_iteration() -> None:
    for walk in (KeyStore.items, KeyStore.values, KeyStore.lists):
        store = KeyStore()
        for name in ("a", "b"):
            store.setlist(name, [key(name, version_id="null")])
        rest = walk(store)
        next(iter(rest))
        store.pop("b")
        assert len(list(rest)) <= 1


def test_a_null_version_replaces_the_null_version_only() -> None:
    store = KeyStore()
    v1, null1, null2 = (key(version_id=v) for v in ("v1", "null", "null"))
    for versions in ([v1], [null1], [null2]):
        store.setlist("k", versions)
    assert store.getlist("k") == [v1, null2]
    store.setlist("k", [null2])
    assert store.getlist("k") == [null2]


def test_nothing_keeps_dead_keys_alive() -> None:
    stored.install()
    gone = weakref.ref(key())
    gc.collect()
    assert gone() is None
