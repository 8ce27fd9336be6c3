"""The buckets that a deployment needs."""

from __future__ import annotations

from deploy.lifecycle import ensure_lifecycle
from iris_core.settings.places import ARTIFACT_BUCKET
from iris_core.settings.variables import Settings
from iris_core.store.objects import ObjectStore


def ensure_buckets(store: ObjectStore, settings: Settings) -> list[str]:
    """Make sure of the settings' buckets, versioned, and of MLflow's, which never overwrites; returns names.

    What scoring leaves behind in them ends by itself.

    :raises StoreError: the store does not answer, or refuses.
    """
    buckets = sorted({settings.bucket, settings.predictions_bucket, settings.drift_bucket})
    for bucket in buckets:
        store.ensure_bucket(bucket)
    store.ensure_bucket(ARTIFACT_BUCKET, versioned=False)
    ensure_lifecycle(store, settings)
    return [*buckets, ARTIFACT_BUCKET]
