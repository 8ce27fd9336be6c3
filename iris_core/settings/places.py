"""Places where uploads land and the pipelines write. Policies allow only these; they must not overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from iris_core.errors import ConfigError

if TYPE_CHECKING:
    from iris_core.settings.variables import Settings

LEDGER = "ledger/"
CHECKPOINTS = "checkpoints/"
AUDIT = "audit/"
QUARANTINE = "quarantine/"
PROFILES = "profiles/"
WORK = "work/"
REJECTS = "rejects/"
MANIFESTS = "manifests/"

ARTIFACT_BUCKET = "mlflow"
"""The bucket of MLflow's server, for its artifacts alone."""


@dataclass(frozen=True)
class Place:
    """One key of a bucket, or every key below a prefix that ends in `/`.

    :param name: its name in errors; the variable's name if a variable sets the key.
    :param bucket: the bucket.
    :param key: the key or prefix.
    :param cleared: whether the pipelines also delete unfinished or withdrawn objects there.
    """

    name: str
    bucket: str
    key: str
    cleared: bool = False

    def overlaps(self, other: Place) -> bool:
        """Whether a key can belong to both places, or one place is below the key of the other.

        MinIO lists nothing below the key of an object.
        """
        return self.bucket == other.bucket and (self._holds(other.key) or other._holds(self.key))

    def _holds(self, key: str) -> bool:
        return key == self.key or key.startswith(f"{self.key.removesuffix('/')}/")

    @property
    def folders(self) -> list[str]:
        """Keys that no object should have, or MinIO would not list this place: `a` and `a/b` of `a/b/`."""
        segments = self.key.split("/")
        return ["/".join(segments[:count]) for count in range(1, len(segments))]


def buckets(*projects: Settings) -> list[str]:
    """The buckets that the projects' pipelines read and write; all of them are versioned."""
    return sorted(
        {name for one in projects for name in (one.bucket, one.predictions_bucket, one.drift_bucket)}
    )


def kept(settings: Settings) -> tuple[Place, ...]:
    """The places whose keys no variable sets."""
    data, predictions = settings.bucket, settings.predictions_bucket
    return (
        Place("the ledger", data, LEDGER),
        Place("checkpoints of the ledger", data, CHECKPOINTS, cleared=True),
        Place("audit records", data, AUDIT),
        Place("refused tables", data, QUARANTINE),
        Place("the models' profiles", data, PROFILES),
        Place("unfinished predictions", predictions, WORK, cleared=True),
        Place("rejected rows", predictions, REJECTS, cleared=True),
        Place("manifests", predictions, MANIFESTS, cleared=True),
    )


def published_places(settings: Settings) -> tuple[Place, ...]:
    """The places of predictions and drift reports."""
    return (
        Place(
            "TEAM_PREDICTIONS_PREFIX",
            settings.predictions_bucket,
            f"{settings.predictions_prefix}/",
            cleared=True,
        ),
        Place("TEAM_DRIFT_PREFIX", settings.drift_bucket, f"{settings.drift_prefix}/"),
    )


def watched(settings: Settings) -> tuple[Place, ...]:
    """The places where uploads land."""
    given = settings.model_fields_set
    train = "TEAM_S3_KEY" if "key" in given and "train_key" not in given else "TEAM_S3_TRAIN_KEY"
    return (
        Place(train, settings.bucket, settings.train_key),
        Place("TEAM_S3_TEST_KEY", settings.bucket, settings.test_key),
        Place("TEAM_S3_LABELS_PREFIX", settings.bucket, settings.labels_prefix),
    )


def written(settings: Settings) -> tuple[Place, ...]:
    """Every place that the pipelines write to."""
    return kept(settings) + published_places(settings)


def check_apart(settings: Settings) -> None:
    """Check that no two places overlap: pipelines that write where they watch would start themselves.

    Only predictions and drift reports may share a place.

    :raises ValueError: two places overlap; the message names both.
    """
    for place in published_places(settings):
        _check(place, kept(settings))
    uploads = watched(settings)
    for number, place in enumerate(uploads):
        _check(place, uploads[:number] + written(settings))


def check_side_by_side(one: Settings, other: Settings) -> None:
    """Check that two projects of a deployment share no name and no place.

    :raises ConfigError: they do; the message names both files.
    """
    if same := sorted(one.names.shown & other.names.shown):
        raise ConfigError(
            f"{one.project_file} and {other.project_file}: both projects would have the name {same[0]}. "
            "Give one of them another name, or another team."
        )
    own = watched(one) + published_places(one)
    others = watched(other) + published_places(other)
    pairs = [
        *product(own, others + kept(other)),
        *product(kept(one), others),
        *product(_sections(one), _sections(other)),
    ]
    for mine, theirs in pairs:
        if mine.overlaps(theirs):
            raise ConfigError(
                f"{one.project_file}: {mine.name}={mine.key} overlaps with {theirs.name} ({theirs.key}) of "
                f"{other.project_file} in the bucket {mine.bucket}. Give each a place of its own."
            )


def _sections(settings: Settings) -> Iterator[Place]:
    for place in kept(settings):
        yield replace(place, key=f"{place.key}{settings.names.section}/")


def _check(place: Place, others: tuple[Place, ...]) -> None:
    for other in others:
        if place.overlaps(other):
            raise ValueError(
                f"{place.name}={place.key} overlaps with {other.name} ({other.key}). "
                "Give each a place of its own"
            )
