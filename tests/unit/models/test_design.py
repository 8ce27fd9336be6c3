"""Columns that a pipeline makes: known for the steps that our training puts there, for no others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from iris_core.models.design import design_of

pytestmark = pytest.mark.unit

NAMES = ("a", "b")
ROWS = pd.DataFrame({"a": [0.0, 1.0, 2.0, 1.0], "b": [0.5, np.nan, 2.5, 1.0]})
CODES = [np.array([0.0, 1.0, 2.0])]


def encoder(**changes: Any) -> OneHotEncoder:
    return OneHotEncoder(
        **{"categories": CODES, "handle_unknown": "ignore", "sparse_output": False, **changes}
    )


def imputer(**changes: Any) -> SimpleImputer:
    return SimpleImputer(**{"strategy": "median", "keep_empty_features": True, **changes})


def split(*parts: tuple[Any, Any], **how: Any) -> ColumnTransformer:
    named = [(f"part {place}", step, chosen) for place, (step, chosen) in enumerate(parts)]
    return ColumnTransformer(named, sparse_threshold=0.0, **how)


KNOWN = [
    split((StandardScaler(), ["a"]), (imputer(add_indicator=True), ["b"])),
    split((encoder(), ["a"]), (make_pipeline(imputer(), StandardScaler()), ["b"])),
    split((encoder(), [0]), ("passthrough", [1])),
    split(("drop", ["a"]), (imputer(), ["b"])),
    split((encoder(), lambda _: ["a"])),
    make_pipeline(imputer(add_indicator=True), StandardScaler())[0],
]
UNKNOWN = [
    split((encoder(), slice(0, 1))),
    split((encoder(), [True, False])),
    split((encoder(drop="first"), ["a"])),
    split((encoder(handle_unknown="error"), ["a"])),
    split((encoder(categories=[np.array([1.0, 2.0, 3.0])]), ["a"])),
    split((encoder(min_frequency=2), ["a"])),
    split((imputer(keep_empty_features=False), ["b"])),
    split((imputer(missing_values=0.5), ["b"])),
    split((PolynomialFeatures(), ["a"])),
    split((StandardScaler(), ["a"]), transformer_weights={"part 0": 2.0}),
]


@pytest.mark.parametrize("step", KNOWN, ids=lambda step: str(step)[:60])
def test_a_known_step_has_a_column_for_each_that_it_makes(step: Any) -> None:
    made = step.fit_transform(ROWS)
    design = design_of([step], NAMES)
    assert design is not None
    assert len(design.features) == made.shape[1] == sum(block.width for block in design.blocks)
    extent = {"a": 2.0, "b": 2.5}
    largest = np.array([size for block in design.blocks for size in block.largest(extent)])
    assert (
        np.abs(np.nan_to_num(made)) <= np.abs(largest * design.factor) + np.abs(design.term) + 1e-12
    ).all()


@pytest.mark.parametrize("step", UNKNOWN, ids=lambda step: str(step)[:60])
def test_what_is_not_known_has_no_design(step: Any) -> None:
    step.fit(ROWS.fillna(0.7) if "0.5" not in str(step) else ROWS.fillna(0.5))
    assert design_of([step], NAMES) is None


def test_steps_for_text_have_no_design() -> None:
    """A model of another's, whose steps want text: it is asked, and says itself what is wrong."""
    text = pd.DataFrame({"a": ["x", "y", "x", "y"]})
    for step in (
        OneHotEncoder(sparse_output=False),
        SimpleImputer(missing_values="", strategy="most_frequent"),
    ):
        assert design_of([split((step, ["a"])).fit(text)], ("a",)) is None
