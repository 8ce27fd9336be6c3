"""Creates the buckets that a deployment needs."""

from __future__ import annotations

from deploy.lifecycle import ensure_lifecycle
from iris_core.settings.places import ARTIFACT_BUCKET, buckets
from iris_core.settings.variables import Settings
from iris_core.store.objects import ObjectStore


def ensure_buckets(store: ObjectStore, *projects: Settings) -> list[str]:
    """Create the projects' buckets, versioned, and MLflow's, unversioned since it never overwrites.

    Also sets lifecycle rules that delete what scoring leaves behind.

    :returns: the buckets' names.
    :raises StoreError: the store does not answer, or refuses.
    """
    names = buckets(*projects)
    for name in names:
        store.ensure_bucket(name)
    store.ensure_bucket(ARTIFACT_BUCKET, versioned=False)
    ensure_lifecycle(store, *projects)
    return [*names, ARTIFACT_BUCKET]
