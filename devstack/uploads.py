"""Put a CSV where the pipelines look for it."""

from __future__ import annotations

from typing import Literal

from iris_core.ledger.workspace import Workspace
from iris_core.settings.variables import Settings
from iris_core.store.objects import ObjectVersion

Purpose = Literal["train", "test", "labels"]


def upload(workspace: Workspace, data: bytes, purpose: Purpose, name: str) -> ObjectVersion:
    """Upload training data, inference data or labels; returns the object version it became.

    :param name: the file's name; used where there is a prefix: for labels, and for inference data with
        `TEAM_S3_TEST_KEY=…/`.
    """
    key = key_for(workspace.settings, purpose, name)
    return workspace.store.put(workspace.settings.bucket, key, data, "text/csv")


def key_for(settings: Settings, purpose: Purpose, name: str) -> str:
    """The key that the pipelines watch for this purpose."""
    keys = {"train": settings.train_key, "test": settings.test_key, "labels": settings.labels_prefix}
    key = keys[purpose]
    return f"{key}{name}" if key.endswith("/") else key
