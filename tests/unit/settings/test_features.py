"""The kinds of features: what each may say of itself, and that nothing is said that was not given."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from iris_core.settings.features import Feature
from iris_core.settings.project import TableSchema
from tests.kinds import PROJECT, TABLE

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "'a': a number needs min and max"),
        ({"type": "integer", "min": 0}, "'a': an integer needs min and max"),
        ({"min": 0, "max": 1, "levels": ["x"]}, "'a': a number has no levels"),
        ({"min": 0, "max": 1e38}, "'a': min and max are at most 1e+37: choose another unit"),
        ({"type": "boolean", "min": 0}, "'a': a boolean has no min and max"),
        ({"type": "boolean", "levels": ["x"]}, "'a': a boolean has no levels"),
        ({"type": "boolean", "unseen": "other"}, "'a': a boolean has no unseen"),
        ({"type": "category", "levels": [str(n) for n in range(1001)]}, "at most 1,000 levels, not 1,001"),
        (
            {"type": "category", "levels": ["x", "(other)"], "unseen": "other"},
            "for those that are not listed",
        ),
        ({"type": "category", "levels": ["x", "y", "x"]}, "the level 'x' is there twice"),
        ({"type": "category", "levels": ["x"], "unit": "cm"}, "'a': a category has no unit"),
        ({"type": "date"}, "'number', 'integer', 'boolean' or 'category'"),
        ({"min": 0, "max": 1, "missing": "mean"}, "'reject' or 'impute'"),
    ],
)
def test_what_is_wrong_is_said(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Feature.model_validate({"name": "a", **given})
    assert told in str(refused.value)


def test_a_number_looks_as_it_did_before_there_were_other_kinds() -> None:
    number = {"name": "a", "type": "number", "unit": "", "min": 0.0, "max": 1.0}
    assert Feature(name="a", min=0, max=1).model_dump() == {
        **number,
        "typical_min": None,
        "typical_max": None,
    }


def test_what_is_written_is_read_again() -> None:
    again = TableSchema.model_validate_json(PROJECT.table.model_dump_json())
    assert again == PROJECT.table


def test_levels_that_are_not_listed_are_given_later() -> None:
    unlisted = [{**each, "levels": []} if each["name"] == "city" else each for each in TABLE["features"]]
    table = TableSchema.model_validate({**TABLE, "features": unlisted})
    assert table.unlisted == ("city",)
    known = table.with_levels({"city": ["Ulm", "Bonn"], "size": ["x"], "nowhere": ["y"]})
    assert known.unlisted == ()
    assert known.coded["city"] == ("Ulm", "Bonn", "(other)")
    assert known.levels["colour"] == PROJECT.table.levels["colour"]
    assert table.with_levels(PROJECT.table.levels) == PROJECT.table


def test_codes_are_the_levels_and_others() -> None:
    named = {each.name: each.codes for each in PROJECT.table.features}
    assert named["city"] == ("Berlin", "Bonn", "Ulm", "(other)")
    assert named["pet"] == ("false", "true")
    assert named["colour"] == ("NA", "red", "a,b", 'q"x')
    assert named["size"] == named["rooms"] == ()
    assert [each.name for each in PROJECT.table.features if each.is_number] == ["size", "rooms", "age"]
    assert {*PROJECT.table.kinds} == {"rooms", "city", "pet", "colour", "age", "insured"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"positive": "rich"}, "positive: 'rich' is none of the classes"),
        ({"ignored": ["size"]}, "column names must be distinct"),
    ],
)
def test_a_table_that_contradicts_itself(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TableSchema.model_validate({**TABLE, **given})
    assert told in str(refused.value)
