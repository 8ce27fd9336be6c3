"""What staging asks MLflow for, where a registry of a test has too few versions or processes to show it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

from iris_core.models.registry import versions_of
from iris_core.promotion import staging

pytestmark = pytest.mark.unit


class Registry:
    """Lists versions in pages of two; knows a model if `is_there`."""

    def __init__(self, is_there: bool = True) -> None:
        self.is_there = is_there

    def search_model_versions(self, filter_string: str, page_token: str | None = None) -> PagedList[str]:
        assert filter_string == "name = 'm'"
        begin = int(page_token or 0)
        return PagedList([*"abcde"[begin : begin + 2]], str(begin + 2) if begin < 4 else None)

    def get_registered_model(self, name: str) -> None:
        if not self.is_there:
            raise MlflowException(f"{name} is not there")


def registry(is_there: bool = True) -> MlflowClient:
    return cast(MlflowClient, Registry(is_there))


def test_versions_beyond_the_first_page_are_seen() -> None:
    assert "".join(map(str, versions_of(registry(), "m"))) == "abcde"


@pytest.mark.parametrize("is_there", [True, False])
def test_a_model_that_another_process_creates_at_the_same_moment(
    is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def register(*args: Any, **given: Any) -> None:
        asked.append((args, given))
        if len(asked) == 1:
            raise MlflowException("UNIQUE constraint failed")

    monkeypatch.setattr("mlflow.register_model", register)
    if is_there:
        staging._create(registry(), "m", "models:/x", {"a": "b"})
        assert asked == [(("models:/x", "m"), {"tags": {"a": "b"}})] * 2
        return
    with pytest.raises(MlflowException, match="m is not there"):
        staging._create(registry(is_there=False), "m", "models:/x", {})
    assert len(asked) == 1
