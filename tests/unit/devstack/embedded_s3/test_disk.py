"""The disk: whatever moment a process dies at, what was saved comes back, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devstack.embedded_s3.disk import Disk, Row
from iris_core.errors import StackError

pytestmark = pytest.mark.unit


def row(uid: str, key: str = "k", size: int = 0, **facts: Any) -> Row:
    return uid, "b", key, {"size": size, **facts}


def uids(disk: Disk) -> list[str]:
    return [uid for uid, *_ in disk.versions()]


def payloads(root: Path) -> set[str]:
    return {path.name for path in (root / "payloads").glob("*/*")}


def test_content_comes_back(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.write("aa1", b"one")
    disk.save_bucket("b", {"versioning": "Enabled"})
    disk.save_bucket("gone", {})
    disk.save_bucket("gone", None)
    disk.save_versions([row("aa1", size=3), row("bb2", note="ü")], [])
    again = Disk(tmp_path)
    assert again.buckets() == {"b": {"versioning": "Enabled"}}
    assert list(again.versions()) == [row("aa1", size=3), row("bb2", note="ü")]
    assert again.path("aa1").read_bytes() == b"one"


def test_a_version_that_changes_keeps_its_place(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.save_versions([row("1"), row("2")], [])
    disk.save_versions([row("1", note="changed"), row("3")], ["2"])
    assert list(Disk(tmp_path).versions()) == [row("1", note="changed"), row("3")]


def test_a_payload_goes_after_its_row(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    for uid in ("aa1", "aa2"):
        disk.write(uid, b"one")
    disk.save_versions([row("aa1", size=3), row("aa2", size=3)], [])
    disk.condemn("aa1")
    assert payloads(tmp_path) == {"aa1", "aa2"}
    assert uids(Disk(tmp_path)) == ["aa1", "aa2"], "killed before the row went"
    disk.save_versions([], ["aa1"])
    assert payloads(tmp_path) == {"aa2"}


def test_unnamed_payloads_are_removed_and_named_ones_kept(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    for uid in ("aa1", "aa2"):
        disk.write(uid, b"one")
    disk.save_versions([row("aa1", size=3)], [])
    Disk(tmp_path)
    assert payloads(tmp_path) == {"aa1"}


def test_a_version_without_its_payload_is_dropped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk(tmp_path)
    disk.write("aa1", b"on")
    disk.save_versions([row("aa1", size=3), row("bb2", key="empty")], [])
    assert uids(Disk(tmp_path)) == ["bb2"]
    assert "b/k: payload aa1 missing or cut" in caplog.text
    assert payloads(tmp_path) == set()


def test_payloads_are_joined(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    for uid, data in (("aa1", b"one"), ("bb2", b"two")):
        disk.write(uid, data)
    assert disk.join("cc3", ["bb2", "aa1"]) == 6
    assert disk.path("cc3").read_bytes() == b"twoone"


@pytest.mark.parametrize("file", ["journal", "catalog.db"])
def test_what_cannot_be_read_is_refused_with_what_to_do(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_bytes(b"nonsense, and more than a header of it" * 100)
    with pytest.raises(StackError, match="Remove the directory to start with an empty store"):
        Disk(tmp_path)
