"""The split is a function of its inputs, and its digest tells one holdout from another."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from iris_core.models.holdout import Part, split
from iris_core.settings.project_files import load_project

pytestmark = pytest.mark.unit

TABLE = load_project().table


@pytest.fixture
def frame() -> pd.DataFrame:
    from sklearn.datasets import load_iris

    iris = load_iris()
    drawn = pd.DataFrame(iris.data, columns=list(TABLE.feature_names))
    drawn[TABLE.target] = [str(iris.target_names[number]) for number in iris.target]
    return drawn


def test_drawn_again_it_is_the_same(frame: pd.DataFrame) -> None:
    first, again = split(frame, TABLE, 0.2, 42), split(frame.copy(), TABLE, 0.2, 42)
    assert len(first.holdout) == 30
    assert first.holdout.labels.value_counts().to_list() == [10, 10, 10]
    assert first.holdout.digest() == again.holdout.digest()
    assert first.holdout.digest() != split(frame, TABLE, 0.2, 43).holdout.digest()
    assert set(first.learned.features.index).isdisjoint(first.holdout.features.index)


def test_the_digest_is_one_that_anybody_can_compute() -> None:
    part = Part(pd.DataFrame({"x": [1.0], "y": [2.5]}), pd.Series(["ü"]))
    import hashlib
    import struct

    expected = hashlib.sha256(b"x\ny\n" + struct.pack("<2d", 1.0, 2.5) + "ü".encode()).hexdigest()
    assert part.digest() == expected


def test_a_level_has_the_same_key_whatever_its_code() -> None:
    def keys(codes: list[float], levels: tuple[str, ...]) -> list[int]:
        features = pd.DataFrame({"x": [1.0] * 4, "city": codes})
        return [*map(int, Part(features, pd.Series(["a"] * 4), {"city": levels}).row_keys())]

    first = keys([0, 1, math.nan, 2], ("Bonn", "Ulm"))
    assert first == keys([1, 2, math.nan, 3], ("Aachen", "Bonn", "Ulm"))
    assert len({*first[:3]}) == 3
    assert first != keys([1, 0, math.nan, 2], ("Bonn", "Ulm"))


def test_rows_with_equal_features_have_equal_keys_whatever_their_labels() -> None:
    features = pd.DataFrame({"x": [1.0, 1.0, 1.0, 2.0]}, index=[9, 8, 7, 6])
    keys = Part(features, pd.Series(["a", "a", "b", "a"], index=features.index)).row_keys()
    assert keys[0] == keys[1] == keys[2] != keys[3]
