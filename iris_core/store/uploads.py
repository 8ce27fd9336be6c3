"""Uploads a file to the key where the pipelines look for it."""

from __future__ import annotations

from typing import Literal

from iris_core.settings.variables import Settings
from iris_core.store.objects import ObjectStore, ObjectVersion

Purpose = Literal["train", "test", "labels"]


def upload(
    store: ObjectStore, settings: Settings, data: bytes, purpose: Purpose, name: str = ""
) -> ObjectVersion:
    """Upload training data, inference data or labels; return the new object version.

    :param store: the object store.
    :param settings: name the bucket and the keys.
    :param data: the file's bytes.
    :param purpose: what the file is for.
    :param name: the file's name, see `landing_key`.
    """
    return store.put(settings.bucket, landing_key(settings, purpose, name), data, "text/csv")


def landing_key(settings: Settings, purpose: Purpose, name: str = "") -> str:
    """The key that the pipelines watch for this purpose.

    :param settings: name the key, or a prefix that ends in `/`.
    :param purpose: what the file is for.
    :param name: the file's name; only used below a prefix, so always for labels.
    """
    keys = {"train": settings.train_key, "test": settings.test_key, "labels": settings.labels_prefix}
    key = keys[purpose]
    return f"{key}{name}" if key.endswith("/") else key
