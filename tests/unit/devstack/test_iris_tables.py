"""The demo's tables: all of Iris, other bytes each time, and a shift that is drift and not bad data."""

from __future__ import annotations

from collections import Counter

import pytest

from devstack.iris_tables import shifted, split_iris
from iris_core.drift.sides import compare, read_side
from iris_core.errors import ConfigError
from iris_core.settings.features import Feature
from iris_core.settings.project_files import load_project
from iris_core.tables import MemoryInput

pytestmark = pytest.mark.unit

SCHEMA = load_project().table


def test_the_two_tables_are_iris() -> None:
    from sklearn.datasets import load_iris

    training, inference = split_iris(SCHEMA, seed=1)
    assert (len(training.rows), len(inference.rows)) == (120, 30)
    assert Counter(training.labels) == dict.fromkeys(SCHEMA.classes, 40)
    iris = Counter(tuple(float(value) for value in row) for row in load_iris().data)
    assert Counter(training.rows + inference.rows) == iris


def test_as_a_file() -> None:
    lines = split_iris(SCHEMA, seed=1)[0].csv().decode().splitlines()
    assert lines[0] == "sepal_length,sepal_width,petal_length,petal_width,species"
    assert len(lines) == 121
    assert lines[1].rsplit(",", 1)[1] in SCHEMA.classes


def test_every_seed_gives_other_bytes() -> None:
    assert split_iris(SCHEMA, 1)[0].csv() == split_iris(SCHEMA, 1)[0].csv()
    assert split_iris(SCHEMA, 1)[0].csv() != split_iris(SCHEMA, 2)[0].csv()
    assert split_iris(SCHEMA, 1)[1].csv() != split_iris(SCHEMA, 2)[1].csv()


@pytest.mark.parametrize("seed", range(5))
def test_a_shifted_table_stays_plausible(seed: int) -> None:
    inference = split_iris(SCHEMA, seed)[1]
    moved = shifted(inference, SCHEMA)
    for before, after in zip(inference.rows, moved.rows, strict=True):
        assert after[2] == pytest.approx(min(before[2] + 3.0, SCHEMA.features[2].max))
        assert (*after[:2], after[3]) == (*before[:2], before[3])
    assert moved.labels == inference.labels


def test_a_shift_ends_at_the_range() -> None:
    narrow = SCHEMA.model_copy(
        update={
            "features": tuple(
                Feature(name=feature.name, min=0, max=7.0) if feature.name == "petal_length" else feature
                for feature in SCHEMA.features
            )
        }
    )
    assert max(row[2] for row in shifted(split_iris(narrow, 1)[1], narrow).rows) == 7.0


def test_another_project_is_told_to_bring_its_own_table() -> None:
    other = SCHEMA.model_copy(update={"classes": ("yes", "no")})
    with pytest.raises(ConfigError, match=r"the demo brings Iris .* iris upload FILE --as train"):
        split_iris(other, 1)


@pytest.mark.parametrize("seed", range(8))
def test_a_shifted_table_drifts_surely(seed: int) -> None:
    training, inference = split_iris(SCHEMA, seed)
    tables = (training, shifted(inference, SCHEMA))
    reference, current = (read_side(MemoryInput(one.csv(), "a.csv"), SCHEMA) for one in tables)
    verdict, _ = compare(reference, current, SCHEMA)
    assert (verdict.severity, verdict.columns[0]) == ("high", "petal_length")
