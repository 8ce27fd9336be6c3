"""Create the buckets that a deployment needs: `python -m iris_core.local.buckets`, repeatable."""

from __future__ import annotations

import sys

from iris_core.config import Settings, load_settings
from iris_core.errors import IrisError
from iris_core.local.environment import ARTIFACT_BUCKET
from iris_core.storage import ObjectStore
from iris_core.workspace import access_from_settings


def ensure_buckets(store: ObjectStore, settings: Settings) -> list[str]:
    """Make sure of the settings' buckets, versioned, and of MLflow's, which never overwrites; returns names.

    :raises StoreError: the store does not answer, or refuses.
    """
    buckets = sorted({settings.bucket, settings.predictions_bucket, settings.drift_bucket})
    for bucket in buckets:
        store.ensure_bucket(bucket)
    store.ensure_bucket(ARTIFACT_BUCKET, versioned=False)
    return [*buckets, ARTIFACT_BUCKET]


def main() -> int:
    """Create the buckets of this environment's settings; the exit code says whether they are there."""
    try:
        settings = load_settings()
        names = ensure_buckets(ObjectStore(access_from_settings(settings)), settings)
    except IrisError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"Buckets at {settings.s3_endpoint_url}: {', '.join(names)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
