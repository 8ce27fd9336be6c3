"""Names of metrics: MLflow's own check takes them all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from iris_core.models.mlflow_runs import LONGEST_NAME, metric_name

pytestmark = pytest.mark.unit

ODD = [
    *("?", "<=50K", ">50K", "setosa (L.)", "50%", "\t", "é", "x" * 300),
    *("", ".", "..", "a//b", "/a", "a/", "a/../b"),
]


@pytest.mark.parametrize("name", ODD)
def test_mlflow_takes_it(name: str) -> None:
    _validate_metric_name(metric_name("recall", name))
    _validate_metric_name(metric_name(name, "mean"))
    _validate_metric_name(metric_name(name))


@pytest.mark.parametrize(
    "name", ["setosa", "petal_length", "petal length", "a.b-c", "a:b", "day/night", "größe"]
)
def test_a_name_that_mlflow_takes_stays_as_it_is(name: str) -> None:
    assert metric_name("current", name, "mean") == f"current/{name}/mean"


def test_what_is_refused_is_told_by_its_code_point() -> None:
    assert metric_name("recall", "<=50K") == "recall/:3c::3d:50K"


@given(st.text(max_size=30))
def test_any_name(name: str) -> None:
    _validate_metric_name(metric_name("severity", name))


@given(st.text(max_size=12), st.text(max_size=12))
def test_different_names_stay_different(one: str, other: str) -> None:
    assert (metric_name("recall", one) == metric_name("recall", other)) is (one == other)


def test_long_names_stay_different() -> None:
    names = {metric_name("recall", "x" * 300 + end) for end in "ab"}
    assert len(names) == 2
    assert {len(name) for name in names} == {LONGEST_NAME}
