"""MLflow's own check takes the name of any metric; left runs are settled beside the look for work."""

from __future__ import annotations

import threading
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from iris_core.errors import NothingOwed, RegistryError
from iris_core.ledger.workspace import Workspace
from iris_core.models import mlflow_runs
from iris_core.models.mlflow_runs import LONGEST_NAME, metric_name

pytestmark = pytest.mark.unit

ODD = [
    *("?", "<=50K", ">50K", "setosa (L.)", "50%", "\t", "é", "x" * 300),
    *("", ".", "..", "a//b", "/a", "a/", "a/../b"),
]
NO_WORKSPACE = cast("Workspace", None)


def test_the_block_runs_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    looked, settled = threading.Event(), []
    monkeypatch.setattr(mlflow_runs, "settle_runs", lambda *_: settled.append(looked.wait(10)))
    with mlflow_runs.runs_settled(NO_WORKSPACE, "training"):
        looked.set()
    assert settled == [True]


def test_an_error_is_raised_even_if_nothing_is_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise RegistryError("MLflow does not answer")

    monkeypatch.setattr(mlflow_runs, "settle_runs", refused)
    with pytest.raises(RegistryError), mlflow_runs.runs_settled(NO_WORKSPACE, "training"):
        raise NothingOwed("Every version has its record.")


@pytest.mark.parametrize("name", ODD)
def test_mlflow_takes_it(name: str) -> None:
    _validate_metric_name(metric_name(f"recall/{name}"))
    _validate_metric_name(metric_name(f"{name}/mean"))
    _validate_metric_name(metric_name(name))


@pytest.mark.parametrize(
    "name", ["setosa", "petal_length", "petal length", "a.b-c", "a:b", "day/night", "größe"]
)
def test_a_name_that_mlflow_takes_stays_as_it_is(name: str) -> None:
    assert metric_name(f"current/{name}/mean") == f"current/{name}/mean"


def test_what_is_refused_is_told_by_its_code_point() -> None:
    assert metric_name("recall/<=50K") == "recall/:3c::3d:50K"


@given(st.text(max_size=30))
def test_any_name(name: str) -> None:
    _validate_metric_name(metric_name(f"severity/{name}"))


@given(st.text(max_size=12), st.text(max_size=12))
def test_different_names_stay_different(one: str, other: str) -> None:
    assert (metric_name(f"recall/{one}") == metric_name(f"recall/{other}")) is (one == other)


def test_long_names_stay_different() -> None:
    names = {metric_name("recall/" + "x" * 300 + end) for end in "ab"}
    assert len(names) == 2
    assert {len(name) for name in names} == {LONGEST_NAME}
