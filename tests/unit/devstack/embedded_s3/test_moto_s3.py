"""What moto's classes are made to do differently."""

from __future__ import annotations

import copy
import gc
import hashlib
import weakref
from pathlib import Path
from typing import Any

import pytest
from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML
from requests.structures import CaseInsensitiveDict

from devstack.embedded_s3 import moto_s3
from devstack.embedded_s3.disk import Disk
from devstack.embedded_s3.moto_s3 import KeyStore, Multipart, StoredKey

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def disk(tmp_path: Path) -> Disk:
    disk = Disk(tmp_path)
    moto_s3.install(disk)
    return disk


def key(name: str = "k", value: bytes = b"bytes", **arguments: Any) -> StoredKey:
    arguments = {"account_id": "123456789012", "region_name": "us-east-1", "bucket_name": "b"} | arguments
    return StoredKey(name, value, **arguments)


def test_the_payload_is_on_disk_from_the_start(disk: Disk) -> None:
    stored = key()
    assert disk.path(stored.uid).read_bytes() == b"bytes"
    assert bytes(stored.value[1:3]) == b"yt"
    assert stored._etag == hashlib.md5(b"bytes").hexdigest()
    assert key(etag="of-parts-2")._etag == "of-parts-2"
    assert key(value=b"").value == b""


def test_a_payload_goes_with_its_last_reference_and_a_copy_leaves_it_alone(disk: Disk) -> None:
    original = key()
    path = disk.path(original.uid)
    twin = copy.deepcopy(original)
    assert (twin.name, twin.etag, twin.size) == ("k", original.etag, 5)
    del twin
    gc.collect()
    disk.save_versions([], [])
    assert path.exists()
    gone = weakref.ref(original)
    del original
    gc.collect()
    assert gone() is None
    disk.save_versions([], [])
    assert not path.exists()


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


def test_a_null_version_replaces_the_null_version_only() -> None:
    store = KeyStore()
    v1, null1, null2 = (key(version_id=v) for v in ("v1", "null", "null"))
    for versions in ([v1], [v1, null1], [v1, null1, null2]):
        store.setlist("k", versions)
    assert store.getlist("k") == [v1, null2]
    store.setlist("k", [null2])
    assert store.getlist("k") == [null2]


def test_parts_are_joined_on_disk(disk: Disk) -> None:
    upload = Multipart("k", CaseInsensitiveDict(), "123456789012", "us-east-1")
    large = b"x" * (5 << 20)
    etags = [upload.set_part(number, data).etag for number, data in ((1, large), (2, b"end"))]
    value, etag, _ = upload.complete(enumerate(etags, start=1))
    joined = key(value=value, etag=etag)
    assert bytes(joined.value) == large + b"end"
    digests = hashlib.md5(large).digest() + hashlib.md5(b"end").digest()
    assert joined.etag == f'"{hashlib.md5(digests).hexdigest()}-2"'


@pytest.mark.parametrize(
    ("parts", "error"),
    [([(1, "0" * 32)], InvalidPart), ([(3, "")], InvalidPart), ([], MalformedXML), (None, EntityTooSmall)],
)
def test_an_upload_that_cannot_be_completed(parts: list[tuple[int, str]] | None, error: type) -> None:
    upload = Multipart("k", CaseInsensitiveDict(), "123456789012", "us-east-1")
    etags = [upload.set_part(number, b"small").etag for number in (1, 2)]
    with pytest.raises(error):
        upload.complete(list(enumerate(etags, start=1)) if parts is None else parts)
