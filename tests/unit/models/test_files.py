"""A model's files are downloaded when they are asked for, once, and nowhere else than into its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import FileInfo
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from iris_core.errors import ModelRefused
from iris_core.models.files import Files, digest_of

pytestmark = pytest.mark.unit

STORED = {"MLmodel": "flavors: {}\nmetadata: {a: b}\n", "model.skops": "m", "more/deep/x.json": "{}", "z": ""}


class Counting(LocalArtifactRepository):
    """Notes what is downloaded."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.downloaded: list[str] = []

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self.downloaded.append(remote_file_path)
        super()._download_file(remote_file_path, local_path)


@pytest.fixture
def store(tmp_path: Path) -> Counting:
    for name, content in STORED.items():
        path = tmp_path / "stored" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return Counting(tmp_path / "stored")


@pytest.fixture
def files(store: Counting, tmp_path: Path) -> Files:
    (tmp_path / "here").mkdir()
    return Files(store, tmp_path / "here", "models:/m/1")


def test_only_what_is_asked_for_is_downloaded(files: Files, store: Counting) -> None:
    assert files.described.metadata == {"a": "b"}
    files.fetch(["model.skops", "not there", "", "../stored/z", "MLmodel"])
    assert store.downloaded == ["MLmodel", "model.skops"]
    assert (files.folder / "model.skops").read_text() == "m"


def test_a_digest_is_that_of_all_files_and_of_what_was_downloaded_before(
    files: Files, store: Counting, tmp_path: Path
) -> None:
    files.fetch(["model.skops"])
    before = digest_of(tmp_path / "stored")
    (tmp_path / "stored" / "model.skops").write_text("another model")
    assert files.digest == files.digest == before
    assert sorted(store.downloaded) == sorted(STORED)


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/tmp/iris-out"])
def test_no_file_is_written_elsewhere(name: str, tmp_path: Path) -> None:
    class Lying(Counting):
        def list_artifacts(self, path: Any = None) -> list[FileInfo]:
            return [FileInfo(name, False, 1)]

    lying = Lying(tmp_path / "stored")
    with pytest.raises(ModelRefused, match="outside of a model's folder"):
        _ = Files(lying, tmp_path / "here", "models:/m/1").digest
    assert not lying.downloaded
