"""The registered model that scores, with the digest of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from iris_core.promotion import ModelRef
from iris_core.promotion.loading import unpacked
from iris_core.workspace import Workspace

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

REGISTRY_FILE = "registered_model_meta"
"""Written on download: the same model has another one under another version."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model, and the SHA-256 of its files' names and contents."""

    estimator: ClassifierMixin
    digest: str


@contextmanager
def opened(workspace: Workspace, model: ModelRef) -> Iterator[Loaded]:
    """The scikit-learn model of a registered version, in a folder that is gone afterwards.

    :raises RegistryError: MLflow does not answer, or has no such version.
    :raises ModelRefused: it cannot be loaded without running what its files say.
    """
    with unpacked(workspace, model) as (estimator, folder):
        yield Loaded(estimator, digest_of(folder))


def digest_of(folder: Path) -> str:
    """The SHA-256 of the files below a folder, by name and content."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != REGISTRY_FILE):
        name = path.relative_to(folder).as_posix().encode()
        content = hashlib.sha256(path.read_bytes()).hexdigest().encode()
        whole.update(name + b"\0" + content + b"\n")
    return whole.hexdigest()
