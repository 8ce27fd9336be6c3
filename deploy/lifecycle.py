"""Lifecycle rules: the store deletes what scoring leaves behind after a day. No rule touches the ledger."""

from __future__ import annotations

from collections.abc import Iterator

from minio.commonconfig import ENABLED, Filter
from minio.error import S3Error
from minio.lifecycleconfig import Expiration, LifecycleConfig, NoncurrentVersionExpiration, Rule

from iris_core.settings.places import WORK, Place, written
from iris_core.settings.variables import Settings
from iris_core.store.objects import ObjectStore

OURS = "iris-"
"""The ids of our rules begin with this; other rules are kept."""

_NO_RULES = "NoSuchLifecycleConfiguration"
_NO_LIFECYCLE = ("NotImplemented", "MethodNotAllowed")


def ensure_lifecycle(store: ObjectStore, *projects: Settings) -> list[str]:
    """Set our rules as the projects ask for; return the buckets that have them.

    MinIO itself drops unfinished uploads after a day. A store without lifecycle rules is left unchanged.
    """
    every = [place for settings in projects for place in written(settings) if place.cleared]
    places = list(dict.fromkeys(every))
    buckets = sorted({place.bucket for place in places})
    return [bucket for bucket in buckets if _ensure(store, bucket, places)]


def _ensure(store: ObjectStore, bucket: str, places: list[Place]) -> bool:
    rules = [rule for place in places if place.bucket == bucket for rule in rules_of(place)]
    try:
        others = [rule for rule in _present(store, bucket) if not (rule.rule_id or "").startswith(OURS)]
        store.admin.set_bucket_lifecycle(bucket, LifecycleConfig([*others, *rules]))
    except S3Error as error:
        if error.code in _NO_LIFECYCLE:
            return False
        raise
    return True


def _present(store: ObjectStore, bucket: str) -> list[Rule]:
    try:
        config = store.admin.get_bucket_lifecycle(bucket)
    except S3Error as error:
        if error.code != _NO_RULES:
            raise
        return []
    return list(config.rules) if config else []


def rules_of(place: Place) -> Iterator[Rule]:
    """The rules of a place: below `work/` everything goes after a day, elsewhere only what was deleted."""
    name = f"{OURS}{place.key.strip('/').replace('/', '-')}"
    below = Filter(prefix=place.key)
    older = NoncurrentVersionExpiration(noncurrent_days=1)
    gone = Expiration(days=1) if place.key == WORK else Expiration(expired_object_delete_marker=True)
    yield Rule(ENABLED, rule_filter=below, rule_id=name, expiration=gone, noncurrent_version_expiration=older)
