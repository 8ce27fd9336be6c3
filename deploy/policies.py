"""Policies for the object store: of the pipelines, of MLflow and of data scientists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from iris_core.settings.places import WORK, Place, buckets, watched, written
from iris_core.settings.variables import Settings

Policy = Mapping[str, Any]

_LOOK = (
    "s3:GetBucketLocation",
    "s3:GetBucketVersioning",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
)
_READ = ("s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectVersion", "s3:GetObjectVersionTagging")
_WRITE = ("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject")


def pipeline_policy(*projects: Settings) -> Policy:
    """The pipelines may read their buckets, listen for uploads, and write to their own places.

    They may not write where uploads land. They may delete only unfinished or withdrawn predictions, and only
    unfinished ones for good.
    """
    names = buckets(*projects)
    places = [place for settings in projects for place in written(settings)]
    return _policy(
        _allow([*_LOOK, "s3:GetLifecycleConfiguration", "s3:ListenBucketNotification"], names),
        _allow(_READ, [f"{name}/*" for name in names]),
        _allow(_WRITE, map(_below, places)),
        _allow(["s3:DeleteObject"], (_below(place) for place in places if place.cleared)),
        _allow(["s3:DeleteObjectVersion"], (_below(place) for place in places if place.key == WORK)),
        # Where MinIO allows s3:DeleteObject, it also allows to delete versions, unless that is denied.
        _deny(["s3:DeleteObjectVersion"], (_below(place) for place in places if place.key != WORK)),
    )


def upload_policy(*projects: Settings) -> Policy:
    """Data scientists may write where uploads land, and read everything, the ledger included."""
    names = buckets(*projects)
    places = [place for settings in projects for place in watched(settings)]
    return _policy(
        _allow(_LOOK, names),
        _allow(_READ, [f"{name}/*" for name in names]),
        _allow(_WRITE, map(_below, places)),
    )


def artifact_policy(bucket: str) -> Policy:
    """MLflow's server may read, write and delete its artifacts in its own bucket."""
    return _policy(
        _allow(_LOOK, [bucket]),
        _allow([*_READ, *_WRITE, "s3:DeleteObject", "s3:DeleteObjectVersion"], [f"{bucket}/*"]),
    )


def _below(place: Place) -> str:
    return f"{place.bucket}/{place.key}{'*' if place.key.endswith('/') else ''}"


def _allow(actions: Iterable[str], resources: Iterable[str]) -> dict[str, Any]:
    return _statement("Allow", actions, resources)


def _deny(actions: Iterable[str], resources: Iterable[str]) -> dict[str, Any]:
    return _statement("Deny", actions, resources)


def _statement(effect: str, actions: Iterable[str], resources: Iterable[str]) -> dict[str, Any]:
    return {
        "Effect": effect,
        "Action": sorted(actions),
        "Resource": sorted({f"arn:aws:s3:::{resource}" for resource in resources}),
    }


def _policy(*statements: dict[str, Any]) -> Policy:
    return {"Version": "2012-10-17", "Statement": list(statements)}
