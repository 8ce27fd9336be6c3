"""Levels that are learnt from a training table: the same from every format, refused where there are none."""

from __future__ import annotations

import gzip
import io
from typing import Any

import polars as pl
import pytest

from iris_core.errors import DataRejected
from iris_core.settings.features import MOST_LEVELS, Feature
from iris_core.settings.project import TableSchema
from iris_core.tables import MemoryInput
from iris_core.tables.levels import LONGEST_LEVEL, with_learnt_levels

pytestmark = pytest.mark.unit


def schema(**city: Any) -> TableSchema:
    features = (
        Feature(name="city", type="category", **city),
        Feature(name="plan", type="category", levels=("b", "a")),
        Feature(name="size", min=0, max=9),
    )
    return TableSchema(features=features, target="t", classes=("x", "y"))


def csv(cells: list[str]) -> bytes:
    return (
        pl.DataFrame({"size": [1.5] * len(cells), "city": cells, "plan": ["a"] * len(cells)})
        .write_csv()
        .encode()
    )


def learnt(cells: list[str], **city: Any) -> tuple[str, ...]:
    return with_learnt_levels(MemoryInput(csv(cells), "t.csv"), schema(**city)).levels["city"]


def refusal(cells: list[str]) -> str:
    with pytest.raises(DataRejected) as refused:
        learnt(cells)
    return str(refused.value)


@pytest.mark.parametrize(
    ("cells", "levels"),
    [
        (["Ulm", " Bonn", "Ulm ", "Bonn", "", "NA", "null", " "], ("Bonn", "Ulm")),
        (["2", "1.0", "1", "10", "1.50"], ("1", "1.50", "10", "2")),
        (["1.0", "2.0"], ("1.0", "2.0")),
        (["True", "TRUE", "other", "Other"], ("Other", "TRUE", "other")),
        (["a,b", 'q"x', "two\nlines", "ü", "=1+1"], ("=1+1", "a,b", 'q"x', "two\nlines", "ü")),
    ],
)
def test_the_different_values_are_the_levels(cells: list[str], levels: tuple[str, ...]) -> None:
    assert learnt(cells) == levels
    assert learnt(cells[::-1], missing="impute", unseen="other") == levels


def test_a_level_may_be_named_as_what_stands_for_all_others() -> None:
    assert learnt(["(other)", "x"]) == ("(other)", "x")
    assert learnt(["(other)", "x"], unseen="other") == ("x",)


def test_what_is_listed_stays_as_it_is() -> None:
    known = with_learnt_levels(MemoryInput(csv(["Ulm"]), "t.csv"), schema())
    assert known.levels == {"city": ("Ulm",), "plan": ("b", "a")}
    assert known.unlisted == ()
    assert with_learnt_levels(MemoryInput(b"no table \xff", "t.csv"), known) is known, "read for nothing"


def test_every_format_has_the_same_levels() -> None:
    cells = ["7", "8", "", "7"]
    frame = pl.DataFrame({"city": [7.0, 8.0, None, 7.0], "plan": ["a"] * 4, "size": [1.0] * 4})
    out = io.BytesIO()
    frame.write_parquet(out)
    found = [
        with_learnt_levels(MemoryInput(data, "t.csv"), schema()).levels["city"]
        for data in (csv(cells), gzip.compress(csv(cells)), out.getvalue())
    ]
    assert found == [("7", "8")] * 3


def test_a_table_without_the_column_is_left_to_validation() -> None:
    assert with_learnt_levels(MemoryInput(b"size,plan\n1,a\n", "t.csv"), schema()).unlisted == ("city",)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (
            ["", "NA"],
            "column 'city': found no value, expected levels to learn, since project.json lists none",
        ),
        (
            [str(n) for n in range(MOST_LEVELS + 1)],
            "found over 1,000 different values, expected at most 1,000 levels",
        ),
        (["x" * (LONGEST_LEVEL + 1)], "which has 201 characters, expected levels of at most 200 characters"),
    ],
)
def test_what_is_no_category_is_refused(cells: list[str], told: str) -> None:
    sentence = refusal(cells)
    assert told in sentence
    assert "Join rare values, or name the column in project.json's ignored." in sentence


def test_as_many_levels_as_are_allowed() -> None:
    assert len(learnt([f"l{n}" for n in range(MOST_LEVELS)] * 2)) == MOST_LEVELS


def test_a_level_written_in_two_ways_counts_once() -> None:
    whole = [str(number) for number in range(MOST_LEVELS)]
    fractions, padded = [f"{number}.0" for number in whole], [f" {number}" for number in whole]
    for cells in (fractions + whole, whole + fractions + padded, whole * 200 + fractions):
        assert learnt(cells) == tuple(sorted(whole))
    assert "over 1,000" in refusal([*fractions, *whole, "one more"])
