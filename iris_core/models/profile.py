"""A model's profile: the summary of its training data that drift reports need, made once after the training.

A profile is one Parquet object: a sample of the training table with the model's predictions; its metadata
holds statistics of all rows and the features' weights. Its name is the SHA-256 of its bytes: so a repeated
attempt writes the same object, and damage is noticed.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from iris_core.drift.sample import sampled_rows
from iris_core.drift.sides import PREDICTION, SAMPLE_ROWS, SEED, Side
from iris_core.drift.statistics import FeatureStatistics
from iris_core.errors import DataRejected, ObjectMissing, ProfileUnusable
from iris_core.ledger import Identity, ModelRef
from iris_core.ledger.records.training import StoredProfile, TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models.design import design_of, steps_of
from iris_core.models.holdout import Split, TrainingTable, drawn_again
from iris_core.models.loading import loaded
from iris_core.settings.features import OTHER_LEVEL
from iris_core.settings.places import PROFILES
from iris_core.settings.project import HOLDOUT, TableSchema
from iris_core.store.objects import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sklearn.base import ClassifierMixin

log = logging.getLogger(__name__)

SCHEMA_VERSION = "1"
DESCRIPTION = "iris.profile"
SUFFIX = ".parquet"


class Described(BaseModel):
    """A profile without its sample.

    :param statistics: statistics of all rows, by feature, in the model's order of features.
    :param weights: how much each feature moves a linear model; None for other models.
    :param codes: what the sample's numbers stand for, by category or truth value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: str = SCHEMA_VERSION
    statistics: dict[str, FeatureStatistics]
    weights: dict[str, float] | None
    codes: dict[str, tuple[str, ...]] = {}

    @model_serializer(mode="wrap")
    def _short(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without codes where there are none: a profile of numbers has the bytes that it always had."""
        return {name: value for name, value in whole(self).items() if name != "codes" or value}


@dataclass(frozen=True, eq=False)
class Profile:
    """A summary of a model's training data.

    :param described: statistics and weights.
    :param sample: at most `SAMPLE_ROWS` rows, chosen by a seed: features, label, prediction, and whether the
        row is in the holdout (`HOLDOUT`).
    """

    described: Described
    sample: pl.DataFrame

    @property
    def weights(self) -> dict[str, float] | None:
        return self.described.weights

    def table(self, table: TableSchema) -> TableSchema:
        """A project's table, with the levels that the model learnt.

        :param table: the table as project.json has it now.
        """
        known = dict(self.described.codes)
        for one in table.features:
            # A level may have the very name of what stands for all others.
            if one.unseen == "other" and known.get(one.name, ())[-1:] == (OTHER_LEVEL,):
                known[one.name] = known[one.name][:-1]
        return table.with_levels(known)

    def side(self, table: TableSchema) -> Side:
        """The training data as the reference side of a comparison.

        :raises DataRejected: the model was trained on other features than the project has now.
        """
        learnt = tuple(self.described.statistics)
        if learnt != table.feature_names:
            raise DataRejected(
                f"The model learnt the features {', '.join(learnt)}, project.json has "
                f"{', '.join(table.feature_names)}: upload the training table again."
            )
        codes = self.described.codes
        if other := [name for name in learnt if codes.get(name) != table.coded.get(name)]:
            raise DataRejected(
                f"The model learnt other levels of {', '.join(other)} than project.json has now: "
                "upload the training table again."
            )
        return Side(self.described.statistics, self.sample.drop(HOLDOUT))

    def to_bytes(self) -> bytes:
        """The profile as one Parquet file."""
        buffer = io.BytesIO()
        self.sample.write_parquet(buffer, metadata={DESCRIPTION: self.described.model_dump_json()})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, digest: str) -> Profile:
        """Read a profile from its bytes.

        :param data: the bytes.
        :param digest: the SHA-256 that they must have.
        :raises ProfileUnusable: the digest differs, or another version of this code wrote the profile.
        """
        if hashlib.sha256(data).hexdigest() != digest:
            raise ProfileUnusable(f"its {len(data)} bytes are not those that were written")
        try:
            described = Described.model_validate_json(
                pl.read_parquet_metadata(io.BytesIO(data)).get(DESCRIPTION, "")
            )
        except ValidationError as error:
            raise ProfileUnusable("another version of Iris wrote it") from error
        if described.schema_version != SCHEMA_VERSION:
            raise ProfileUnusable(f"its schema is {described.schema_version}, not {SCHEMA_VERSION}")
        return cls(described, pl.read_parquet(io.BytesIO(data)))


def profile_of(learnt: TrainingTable, parts: Split, model: ClassifierMixin) -> Profile:
    """The profile of a fitted model.

    :param learnt: the table that it was trained on.
    :param parts: how the table was split.
    :param model: the fitted model.
    """
    table = learnt.table
    names = [*table.feature_names, table.target]
    sample = learnt.side.sample.select(names)
    held_back = pl.Series(sampled_rows(len(learnt.frame), SAMPLE_ROWS, SEED)).is_in(
        parts.holdout.features.index.to_list()
    )
    return Profile(
        Described(
            statistics=learnt.side.statistics,
            weights=feature_weights(model, table.feature_names),
            codes=table.coded,
        ),
        sample.with_columns(
            predicted_classes(model, sample.select(table.feature_names)), held_back.alias(HOLDOUT)
        ),
    )


def keep_profile(
    workspace: Workspace, training: Identity, learnt: TrainingTable, parts: Split, model: ClassifierMixin
) -> tuple[Profile, StoredProfile]:
    """Make the profile of a fitted model, and store it.

    :param training: the identity of the model's training.
    :param learnt: the table that it was trained on.
    :param parts: how the table was split.
    :param model: the fitted model.
    :raises StoreError: the store does not answer, or does not allow it.
    """
    made = profile_of(learnt, parts, model)
    return made, ProfileStore.of(workspace).keep(training, made)


def learnt_profile(workspace: Workspace, training: TrainedRecord, model: ModelRef) -> Profile:
    """The profile of a registered model; made from its training table and stored if there is none yet.

    :param training: the record of the model's training.
    :param model: the model version.
    :raises ObjectMissing: there is no profile, and the training table is gone.
    :raises ModelRefused: there is no profile, and the model cannot be loaded.
    """
    profiles = ProfileStore.of(workspace)
    found = profiles.find(training)
    if found:
        return found
    log.info("Making the profile of %s version %s from %s.", model.name, model.version, training.about.uri)
    with loaded(workspace.settings, workspace.ledger, model) as opened:
        table = opened.table(workspace.settings.project.table)
        learnt, parts = drawn_again(workspace.store, training, table)
        made, _ = keep_profile(workspace, training.identity, learnt, parts, opened.estimator)
    return made


def predicted_classes(model: ClassifierMixin, features: pl.DataFrame) -> pl.Series:
    """The model's prediction for each row; null where a feature cannot be used."""
    usable = pl.all().is_not_null() & ~pl.all().is_infinite()
    known = features.select(pl.all_horizontal(usable).fill_null(False)).to_series()
    answers = pl.Series(PREDICTION, [None] * features.height, dtype=pl.String)
    if not known.any():
        return answers
    found = pl.Series(model.predict(features.filter(known).to_pandas()), dtype=pl.String)
    return answers.scatter(known.arg_true(), found)


def feature_weights(model: ClassifierMixin, names: Sequence[str]) -> dict[str, float] | None:
    """How much each feature moves a linear model: the mean of the absolute values of its coefficients.

    Of several columns that are made of a feature, the one that moves most counts. None for a model without
    coefficients. After a scaler the weights of features can be compared.
    """
    *steps, last = steps_of(model)
    coefficients = getattr(last, "coef_", None)
    design = None if coefficients is None else design_of(steps, names)
    if coefficients is None or design is None or coefficients.shape[1] != len(design.features):
        return None
    found = dict.fromkeys(names, 0.0)
    for name, weight in zip(design.features, abs(coefficients).mean(axis=0).tolist(), strict=True):
        found[name] = max(found[name], weight)
    return found


@dataclass(frozen=True)
class ProfileStore:
    """Stored profiles of one project's models, in one environment."""

    store: ObjectStore
    bucket: str
    section: str

    @classmethod
    def of(cls, workspace: Workspace) -> ProfileStore:
        """Stored profiles of a workspace's project."""
        return cls(workspace.store, workspace.settings.bucket, workspace.settings.names.section)

    def keep(self, training: Identity, profile: Profile) -> StoredProfile:
        """Store a model's profile. Storing the same profile again changes nothing.

        :param training: the identity of the model's training.
        :param profile: the profile.
        :raises StoreError: the store does not answer, or does not allow it.
        """
        data = profile.to_bytes()
        digest = hashlib.sha256(data).hexdigest()
        key = self._key(training, digest)
        content_type = "application/vnd.apache.parquet"
        if not self.store.create(self.bucket, key, data, content_type):
            self._mend(key, data, content_type)
        return StoredProfile(uri=f"s3://{self.bucket}/{key}", digest=digest, size=len(data))

    def find(self, training: TrainedRecord) -> Profile | None:
        """The profile of the model of a training record; None if there is none that can be read."""
        for digest in self._digests(training):
            key = self._key(training.identity, digest)
            try:
                return Profile.from_bytes(self.store.get(self.bucket, key), digest)
            except (ObjectMissing, ProfileUnusable) as error:
                log.warning("The profile s3://%s/%s cannot be used: %s", self.bucket, key, error)
        return None

    def _digests(self, training: TrainedRecord) -> Iterator[str]:
        """Digests of profiles: the one that the record names, then those that reports stored later."""
        stored = training.outputs.profile
        named = stored.digest if stored else ""
        if named:
            yield named
        folder = self._key(training.identity, "").removesuffix(SUFFIX)
        for key in self.store.keys(self.bucket, folder):
            digest = key.rsplit("/", 1)[-1].removesuffix(SUFFIX)
            if digest != named:
                yield digest

    def _mend(self, key: str, data: bytes, content_type: str) -> None:
        if self.store.get(self.bucket, key) != data:
            self.store.put(self.bucket, key, data, content_type)

    def _key(self, training: Identity, digest: str) -> str:
        return f"{PROFILES}{self.section}/{training.path}/{digest}{SUFFIX}"
