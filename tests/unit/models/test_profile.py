"""A profile is what a model learnt from: exact, bounded, and read back only as it was written."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import pytest
from sklearn.pipeline import Pipeline

from iris_core.drift.sides import PREDICTION, SAMPLE_ROWS, read_side
from iris_core.errors import DataRejected, ProfileUnusable
from iris_core.models.holdout import TrainingTable
from iris_core.models.profile import (
    DESCRIPTION,
    Profile,
    feature_weights,
    predicted_classes,
    profile_of,
)
from iris_core.settings.features import Feature
from iris_core.settings.project import HOLDOUT
from iris_core.settings.project_files import load_project
from iris_core.tables import MemoryInput
from iris_core.training.fitting import Fitted, TrainingConfig, fit
from tests import kinds

pytestmark = pytest.mark.unit

TABLE = load_project().table
ROWS = SAMPLE_ROWS + 10_000


def learnt_from(rows: int) -> TrainingTable:
    """A table of Iris' flowers, as often as needed, each with another last digit."""
    from sklearn.datasets import load_iris

    iris, rng = load_iris(), np.random.default_rng(3)
    chosen = rng.integers(0, len(iris.data), rows)
    values = pl.DataFrame(iris.data[chosen] + rng.random((rows, 4)).round(4), list(TABLE.feature_names))
    named = pl.Series(TABLE.target, np.array(TABLE.classes)[iris.target[chosen]].tolist())
    frame = values.with_columns(named)
    pieces = frame.write_csv().encode()
    side = read_side(MemoryInput(pieces, "a.csv"), TABLE)
    return TrainingTable(frame.to_pandas(), side, TABLE)


@pytest.fixture(scope="module")
def learnt() -> TrainingTable:
    return learnt_from(ROWS)


@pytest.fixture(scope="module")
def fitted(learnt: TrainingTable) -> Fitted:
    return fit(learnt.frame, TrainingConfig(table=TABLE))


@pytest.fixture(scope="module")
def profile(learnt: TrainingTable, fitted: Fitted) -> Profile:
    return profile_of(learnt, fitted.parts, fitted.pipeline)


def stored(profile: Profile) -> tuple[bytes, str]:
    data = profile.to_bytes()
    return data, hashlib.sha256(data).hexdigest()


def test_statistics_are_of_every_row_and_the_sample_is_bounded(profile: Profile) -> None:
    assert profile.described.statistics["petal_width"].count == ROWS
    assert profile.sample.height == SAMPLE_ROWS
    assert len(profile.to_bytes()) < 4_000_000


def test_read_back_it_is_exactly_what_was_written(profile: Profile) -> None:
    again = Profile.from_bytes(*stored(profile))
    assert again.described == profile.described
    assert again.sample.equals(profile.sample)
    assert stored(again) == stored(profile)


def test_it_is_what_the_table_and_the_model_say(
    learnt: TrainingTable, fitted: Fitted, profile: Profile
) -> None:
    """As a report without a profile compares: the table's side, with the model's predictions added."""
    side = Profile.from_bytes(*stored(profile)).side(TABLE)
    sample = learnt.side.sample
    answers = predicted_classes(fitted.pipeline, sample.select(TABLE.feature_names))
    assert side.statistics == learnt.side.statistics
    assert side.sample.equals(sample.with_columns(answers))
    assert side.sample[PREDICTION].to_list() == list(
        fitted.pipeline.predict(sample.select(TABLE.feature_names).to_pandas())
    )


def test_the_holdout_s_rows_are_marked(learnt: TrainingTable, fitted: Fitted, profile: Profile) -> None:
    held_back = fitted.parts.holdout
    marked = profile.sample.filter(HOLDOUT)
    assert 0.15 * SAMPLE_ROWS < marked.height < 0.25 * SAMPLE_ROWS
    every = pl.DataFrame(held_back.features.assign(**{TABLE.target: held_back.labels}))
    assert marked.drop(HOLDOUT, PREDICTION).join(every, on=every.columns, how="anti").height == 0
    others = pl.DataFrame(fitted.parts.learned.features)
    assert marked.join(others, on=others.columns, how="semi").height == 0


def test_other_bytes_are_refused(profile: Profile) -> None:
    data, digest = stored(profile)
    flipped = data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]
    for other in (flipped, data[:-1], b""):
        with pytest.raises(ProfileUnusable, match=f"{len(other)} bytes are not those"):
            Profile.from_bytes(other, digest)


def test_another_version_s_profile_is_refused(profile: Profile, tmp_path: Path) -> None:
    later = profile.described.model_copy(update={"schema_version": "2"})
    with pytest.raises(ProfileUnusable, match="schema is 2, not 1"):
        Profile.from_bytes(*stored(Profile(later, profile.sample)))
    for metadata in ({}, {DESCRIPTION: '{"schema_version": "1", "surprise": 1}'}):
        path = tmp_path / "other.parquet"
        profile.sample.write_parquet(path, metadata=metadata)
        data = path.read_bytes()
        with pytest.raises(ProfileUnusable, match="another version"):
            Profile.from_bytes(data, hashlib.sha256(data).hexdigest())


def test_a_project_with_other_features_has_nothing_to_compare(profile: Profile) -> None:
    fewer = TABLE.model_copy(update={"features": TABLE.features[1:]})
    with pytest.raises(DataRejected, match=r"learnt the features sepal_length, .*project\.json has sepal_w"):
        profile.side(fewer)


@pytest.fixture(scope="module")
def of_homes() -> Profile:
    table = kinds.PROJECT.table
    side = read_side(MemoryInput(kinds.as_csv(kinds.homes(400, 1)), "homes.csv"), table)
    learnt = TrainingTable(side.sample.to_pandas(), side, table)
    found = fit(learnt.frame, TrainingConfig(table=table))
    return profile_of(learnt, found.parts, found.pipeline)


class TestCategories:
    def test_they_are_read_back_with_their_levels(self, of_homes: Profile) -> None:
        again = Profile.from_bytes(*stored(of_homes))
        side = again.side(kinds.PROJECT.table)
        assert side.statistics == of_homes.described.statistics
        assert set(side.statistics["city"].levels or {}) == {"Berlin", "Bonn", "Ulm"}
        assert side.statistics["size"].mean == pytest.approx(60, abs=2)
        assert again.described.codes["city"] == ("Berlin", "Bonn", "Ulm", "(other)")
        assert side.sample[PREDICTION].null_count() == 0

    def test_codes_that_mean_something_else_now_are_not_compared(self, of_homes: Profile) -> None:
        table = kinds.PROJECT.table
        turned = tuple(
            one.model_copy(update={"levels": one.levels[::-1]}) if one.name == "city" else one
            for one in table.features
        )
        with pytest.raises(DataRejected, match="The model learnt other levels of city than project"):
            of_homes.side(table.model_copy(update={"features": turned}))

    def test_a_profile_of_numbers_looks_as_it_did(self, profile: Profile) -> None:
        assert [*profile.described.model_dump(mode="json")] == ["schema_version", "statistics", "weights"]
        assert "levels" not in profile.described.model_dump_json()


class TestPredictions:
    def test_null_where_a_feature_is_no_number(self, fitted: Fitted) -> None:
        rows = [[5.1, 3.5, 1.4, 0.2], [None, 3.5, 1.4, 0.2], [float("inf"), 3.5, 1.4, 0.2]]
        features = pl.DataFrame(rows, list(TABLE.feature_names), orient="row")
        assert predicted_classes(fitted.pipeline, features).to_list() == ["setosa", None, None]
        assert predicted_classes(fitted.pipeline, features[1:]).to_list() == [None, None]


class TestWeights:
    def test_the_mean_of_what_a_feature_moves_every_class_by(self, fitted: Fitted) -> None:
        weights = feature_weights(fitted.pipeline, TABLE.feature_names)
        coefficients = cast(Pipeline, fitted.pipeline)[-1].coef_
        assert weights == pytest.approx(
            dict(zip(TABLE.feature_names, np.abs(coefficients).mean(axis=0), strict=True))
        )

    def test_a_model_without_coefficients_has_none(self) -> None:
        from sklearn.dummy import DummyClassifier

        constant = DummyClassifier().fit([[1.0], [2.0]], ["a", "b"])
        assert feature_weights(constant, ["x"]) is None


@pytest.mark.parametrize(("levels", "unseen"), [(("(other)", "x"), "reject"), (("x", "y"), "other")])
def test_the_table_in_its_levels_is_the_one_that_it_learnt(
    profile: Profile, levels: tuple[str, ...], unseen: str
) -> None:
    city = {"name": "city", "type": "category", "unseen": unseen}
    now = TABLE.model_copy(update={"features": (*TABLE.features, Feature.model_validate(city))})
    learnt = now.with_levels({"city": levels})
    described = profile.described.model_copy(update={"codes": learnt.coded})
    assert replace(profile, described=described).table(now) == learnt
