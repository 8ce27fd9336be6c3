"""Left runs are settled beside the look for work, and a look that finds none hides no trouble."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from iris_core.errors import NothingOwed, RegistryError
from iris_core.ledger.workspace import Workspace
from iris_core.models import mlflow_runs

pytestmark = pytest.mark.unit

NO_WORKSPACE = cast("Workspace", None)


def test_the_block_runs_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    looked, settled = threading.Event(), []
    monkeypatch.setattr(mlflow_runs, "settle_left_runs", lambda *_: settled.append(looked.wait(10)))
    with mlflow_runs.left_runs_settled(NO_WORKSPACE, "training"):
        looked.set()
    assert settled == [True]


def test_an_error_is_raised_even_if_nothing_is_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise RegistryError("MLflow does not answer")

    monkeypatch.setattr(mlflow_runs, "settle_left_runs", refused)
    with pytest.raises(RegistryError), mlflow_runs.left_runs_settled(NO_WORKSPACE, "training"):
        raise NothingOwed("Every version has its record.")
