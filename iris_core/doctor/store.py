"""Checks of the object store: versions, conditional writes, notifications, and rules that clear leftovers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import suppress

from minio.error import MinioException, S3Error

from iris_core.doctor.finding import Diagnosis, ill, note, well
from iris_core.errors import IrisError, StoreError
from iris_core.settings import places
from iris_core.settings.variables import Settings
from iris_core.store.objects import ObjectStore, StoreAccess
from iris_provider_minio.stream import Pace, follow

LISTEN_WITHIN_S = 10.0
PING_S = 1
PROBE_FOLDER = "doctor"


def check_store(store: ObjectStore, settings: Settings, may_write: bool) -> Iterator[Diagnosis]:
    """Check what the pipelines need from the store. Objects that are written for a check are removed again.

    :param store: the store, with the credentials in question.
    :param settings: name buckets and keys.
    :param may_write: whether the credentials are the pipelines', which may write below `work/`.
    """
    buckets = sorted({place.bucket for place in (*places.watched(settings), *places.written(settings))})
    for bucket in buckets:
        try:
            yield _versioning(store, bucket)
        except (IrisError, MinioException) as error:
            yield ill("store", f"bucket {bucket}: {error}", _reach(error))
            return
    yield _folders(store, settings)
    if may_write:
        yield _conditional_write(store, settings)
        yield _listen(store.access, settings.bucket)
    yield from (_lifecycle(store, settings, bucket) for bucket in buckets)


def _reach(error: BaseException) -> str:
    if "NoSuchBucket" in str(error) or "has no bucket" in str(error):
        return "Create it: `python -m deploy.minio_init`, or correct TEAM_S3_BUCKET."
    return (
        "Check MLFLOW_S3_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that the store runs."
    )


def _versioning(store: ObjectStore, bucket: str) -> Diagnosis:
    next(iter(store.keys(bucket, f"{places.WORK}{PROBE_FOLDER}")), None)
    if store.admin.get_bucket_versioning(bucket).status == "Enabled":
        return well("versions", f"bucket {bucket} keeps every version of an object")
    return note(
        "versions",
        f"bucket {bucket} keeps no versions: an upload that is overwritten before it was read is lost",
        f"Switch versioning on for {bucket}; `python -m deploy.minio_init` does.",
    )


def _folders(store: ObjectStore, settings: Settings) -> Diagnosis:
    """Check that no object, or delete marker of one, has the key of a folder that must be listed."""
    check, found = "folders", (*places.watched(settings), *places.written(settings))
    for bucket, folder in sorted({(place.bucket, name) for place in found for name in place.folders}):
        listed = store.admin.list_objects(bucket, folder, recursive=True, include_version=True)
        try:
            first = next(iter(listed), None)
            is_hidden = first and first.object_name == folder and not any(store.keys(bucket, folder))
        except (IrisError, MinioException) as error:
            return note(check, f"s3://{bucket}/{folder} cannot be listed ({error})")
        if is_hidden:
            return ill(
                check,
                f"s3://{bucket}/{folder} is an object, or a deleted one: MinIO lists nothing below {folder}/",
                f"Delete all its versions and markers: mc rm --versions --force ALIAS/{bucket}/{folder}",
            )
    return well(check, "no object has the key of a folder that the pipelines list")


def _conditional_write(store: ObjectStore, settings: Settings) -> Diagnosis:
    """Check that a second `PUT … If-None-Match: *` is refused: every commit of the ledger depends on this."""
    check, bucket = "conditional writes", settings.predictions_bucket
    key = f"{places.WORK}{PROBE_FOLDER}/{uuid.uuid4()}"
    try:
        first, second = (store.create(bucket, key, body, "text/plain") for body in (b"1", b"2"))
        kept = store.get(bucket, key)
    except StoreError as error:
        return ill(check, str(error), "Let the pipelines write below work/: deploy/policies.py.")
    finally:
        with suppress(IrisError, MinioException):
            store.erase(bucket, key)
    if (first, second, kept) == (True, False, b"1"):
        return well(check, "of two writers with If-None-Match: * the second is refused")
    return ill(
        check,
        "the store ignores If-None-Match: two tasks could decide the same thing twice",
        "Use a store that honours it: MinIO since 2024, S3, Ceph since Squid.",
    )


def _listen(access: StoreAccess, bucket: str) -> Diagnosis:
    async def asked() -> StoreAccess:
        return access

    async def first() -> str:
        return (await anext(follow(asked, bucket, Pace(ping_s=PING_S)))).kind

    try:
        kind = asyncio.run(asyncio.wait_for(first(), LISTEN_WITHIN_S))
    except TimeoutError:
        kind = "down"
    if kind == "subscribed":
        return well("notifications", f"the store tells at once what lands in {bucket}")
    return note(
        "notifications",
        f"the store does not tell what lands in {bucket}: watchers list instead, every few seconds",
        "The line above says why; docs/real-minio.md what works. Nothing is missed without it.",
    )


def _lifecycle(store: ObjectStore, settings: Settings, bucket: str) -> Diagnosis:
    try:
        config = store.admin.get_bucket_lifecycle(bucket)
    except S3Error as error:
        if error.code == "NoSuchLifecycleConfiguration":
            config = None
        elif error.code == "NotImplemented":
            todo = "Delete what is older than a day below work/ by a job of your own; docs/stores.md."
            return note(
                "lifecycle", "the store knows no lifecycle rules: what scoring leaves behind stays", todo
            )
        else:
            todo = "Let these credentials read it: s3:GetLifecycleConfiguration."
            return note("lifecycle", f"the rules of {bucket} cannot be read ({error.code})", todo)
    except MinioException as error:
        return note("lifecycle", f"the rules of {bucket} cannot be read ({error})")
    rules = [rule for rule in (config.rules if config else ()) if rule.status == "Enabled"]
    expiring = [rule for rule in rules if rule.expiration or rule.noncurrent_version_expiration]
    if bucket == settings.bucket and any(_overlaps(_prefix(rule), places.LEDGER) for rule in expiring):
        return ill(
            "lifecycle",
            f"a rule of {bucket} deletes decisions below {places.LEDGER}: all of it would be done again",
            f"Take the rule away, or give it a prefix that is not above {places.LEDGER}.",
        )
    lacking = [
        place.key
        for place in places.written(settings)
        if place.bucket == bucket
        and place.cleared
        and not any(place.key.startswith(_prefix(r)) for r in expiring)
    ]
    if not lacking:
        return well("lifecycle", f"what scoring leaves behind in {bucket} is gone within days")
    return note(
        "lifecycle",
        f"nothing ends what is left behind in {bucket} below {', '.join(lacking)}: the bucket grows",
        "`python -m deploy.minio_init` sets the rules.",
    )


def _prefix(rule: object) -> str:
    return str(getattr(getattr(rule, "rule_filter", None), "prefix", None) or "")


def _overlaps(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
