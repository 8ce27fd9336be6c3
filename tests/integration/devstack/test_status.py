"""`iris status` shows the newest decisions of the ledger."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from devstack.stack import Stack
from iris_core import training
from iris_core.errors import DataRejected
from iris_core.ledger.workspace import Workspace

pytestmark = pytest.mark.integration


def test_a_decision_is_shown_with_kind_outcome_reason_and_time(workspace: Workspace) -> None:
    import iris_core.cli  # noqa: F401 - it imports devstack's commands
    from devstack.cli.status import _newest_decisions

    settings = workspace.settings
    workspace.store.put(settings.bucket, settings.train_key, b"nothing\n1\n", "text/csv")
    with pytest.raises(DataRejected):
        training.validate(workspace, training.reconcile_training(workspace))
    [shown] = _newest_decisions(cast(Stack, SimpleNamespace(workspace=lambda: workspace)))
    told: dict[str, Any] = json.loads(json.dumps(shown))
    assert (told["kind"], told["outcome"]) == ("training", "rejected")
    assert "column" in told["reason"]
    assert told["at"].startswith("20")
