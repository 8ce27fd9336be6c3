"""What is put before a classifier for features of every kind."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from iris_core.models.holdout import training_table
from iris_core.settings.project_files import load_project
from iris_core.tables import MemoryInput
from iris_core.training.fitting import TrainingConfig, fit
from iris_core.training.preparation import preparation
from tests.kinds import PROJECT, as_csv, homes

pytestmark = pytest.mark.unit


def test_numbers_that_are_always_there_are_only_scaled() -> None:
    table = load_project().table
    assert [type(step).__name__ for step in preparation(table, is_scaled=True)] == ["StandardScaler"]
    assert preparation(table, is_scaled=False) == []


@pytest.mark.parametrize("is_scaled", [True, False])
def test_columns_of_every_kind(is_scaled: bool) -> None:
    table = PROJECT.table
    frame = training_table(MemoryInput(as_csv(homes(300, 1)), "t"), table).frame[list(table.feature_names)]
    made = make_pipeline(*preparation(table, is_scaled)).fit_transform(frame)
    # size, rooms; age and whether it is missing; pet; city, others, nothing; colour; insured or nothing
    assert made.shape == (300, 2 + 2 + 1 + 5 + 4 + 3)
    assert np.isfinite(made).all()
    assert made[:, 5:].sum(axis=1).tolist() == [3.0] * 300
    assert made[:, 8].sum() == 0, "another city is none of the training table's"


def test_a_column_that_is_missing_altogether_can_be_learnt() -> None:
    frame = training_table(MemoryInput(as_csv(homes(300, 1)), "t"), PROJECT.table).frame
    assert fit(frame.assign(age=np.nan), TrainingConfig.of(PROJECT)).metrics["accuracy"] > 0.8


def test_the_positive_class_is_measured() -> None:
    frame = training_table(MemoryInput(as_csv(homes(600, 1)), "t"), PROJECT.table).frame
    fitted = fit(frame, TrainingConfig.of(PROJECT))
    (a, b), (c, d) = fitted.confusion.tolist()
    assert a + b + c + d == 120
    assert fitted.metrics["precision"] == pytest.approx(d / (b + d))
    assert fitted.metrics["recall"] == pytest.approx(d / (c + d))
