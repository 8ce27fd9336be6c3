"""The files of a registered version: each is downloaded when it is asked for, and once.

A gate needs two of the seven files that MLflow stores of a model; all of them are needed for its digest.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iris_core.errors import ModelRefused

if TYPE_CHECKING:
    from mlflow.models import Model

REGISTRY_FILE = "registered_model_meta"
"""MLflow writes this file on download; it differs between two versions of the same model."""
READERS = 4


class Files:
    """Files at a place where MLflow keeps artifacts.

    :param store: MLflow's repository of the place.
    :param folder: where they are downloaded to.
    :param uri: the model, for messages.
    """

    def __init__(self, store: Any, folder: Path, uri: str) -> None:
        self._store, self.folder, self._uri = store, folder.resolve(), uri

    @cached_property
    def names(self) -> frozenset[str]:
        """Their paths, with `/` between the parts."""
        return frozenset(_listed(self._store, ""))

    @cached_property
    def described(self) -> Model:
        """What the file `MLmodel` says."""
        from mlflow.models import Model

        self.fetch(["MLmodel"])
        found: Model = Model.load(str(self.folder))
        return found

    def fetch(self, names: Iterable[str]) -> None:
        """Download those of these files that are there and were not downloaded.

        :raises ModelRefused: one of them would be written outside the folder.
        """
        missing = [(name, self._path(name)) for name in names if name in self.names]
        missing = [(name, path) for name, path in missing if not path.exists()]
        for _, path in missing:
            path.parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(lambda one: self._store._download_file(one[0], str(one[1])), missing))

    def _path(self, name: str) -> Path:
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder):
            raise ModelRefused(
                f"{self._uri} is refused: {name[:80]!r} is a path outside of a model's folder."
            )
        return path

    @cached_property
    def digest(self) -> str:
        """The digest of all files; downloads those that are not here yet."""
        self.fetch(self.names)
        return digest_of(self.folder)


def _listed(store: Any, folder: str) -> Iterator[str]:
    for found in store.list_artifacts(folder):
        if found.is_dir:
            yield from _listed(store, found.path)
        else:
            yield found.path


def logged_digest(model_uri: str) -> str:
    """The digest of a model's files as MLflow has them."""
    from mlflow.artifacts import download_artifacts

    with tempfile.TemporaryDirectory(prefix="iris-model-") as folder:
        return digest_of(Path(download_artifacts(artifact_uri=model_uri, dst_path=folder)))


def digest_of(folder: Path) -> str:
    """The SHA-256 of the files below a folder, by name and content."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != REGISTRY_FILE):
        name = path.relative_to(folder).as_posix().encode()
        content = hashlib.sha256(path.read_bytes()).hexdigest().encode()
        whole.update(name + b"\0" + content + b"\n")
    return whole.hexdigest()
