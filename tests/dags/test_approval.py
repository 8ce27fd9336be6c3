"""The training DAG with and without a human between the gate and the registry."""

from __future__ import annotations

import importlib.util
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from iris_core import promotion

pytestmark = pytest.mark.dags

FILE = Path(__file__).parents[2] / "dags" / "iris_pipeline.py"


def parsed(monkeypatch: pytest.MonkeyPatch, approval: str) -> Any:
    monkeypatch.setenv("PROMOTION_APPROVAL", approval)
    spec = importlib.util.spec_from_file_location(f"pipeline_{approval}", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.iris_pipeline()


def test_by_default_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    dag = parsed(monkeypatch, "auto")
    assert [task.task_id for task in dag.tasks] == [
        "wait_for_training_data",
        "reconcile",
        "validate",
        "train",
        "register",
    ]
    assert dag.get_task("train").downstream_task_ids == {"register"}


def test_a_human_stands_between_the_gate_and_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    dag = parsed(monkeypatch, "manual")
    assert dag.get_task("assess").downstream_task_ids == {"approve"}
    assert dag.get_task("approve").downstream_task_ids == {"register"}
    approve = dag.get_task("approve")
    assert approve.options == [promotion.APPROVE, promotion.REJECT]
    assert approve.defaults == [promotion.REJECT]
    assert approve.response_timeout == timedelta(days=1)
    assert {asset.name for asset in dag.get_task("register").outlets} == {"team_a_dev_staged_model"}
    assert not approve.outlets


def test_the_answer_that_airflow_gives_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the operator returns after an approval, and after its time ran out."""
    from datetime import UTC, datetime

    from iris_core.promotion.steps import _approval

    approve = parsed(monkeypatch, "manual").get_task("approve")
    event = {
        "chosen_options": ["Approve"],
        "params_input": {},
        "responded_at": datetime.now(UTC),
        "responded_by_user": {"id": "7", "name": "jane"},
        "timedout": False,
    }
    given = _approval(approve.execute_complete({}, dict(event)))
    assert (given.approved, given.by, given.at) == (True, "jane", event["responded_at"])
    late = {**event, "chosen_options": approve.defaults, "responded_by_user": None, "timedout": True}
    assert _approval(approve.execute_complete({}, late)).sentence == "nobody approved it in time"


class _TaskInstance:
    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, *, key: str, value: Any) -> None:
        self.pushed[key] = value


def test_the_reason_of_a_skip_is_noted() -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    from iris_airflow.steps import noted

    instance = _TaskInstance()
    with pytest.raises(AirflowSkipException), noted({"ti": instance}):  # type: ignore[typeddict-item]
        raise AirflowSkipException("accuracy 0.2 is below")
    assert instance.pushed == {"note": "accuracy 0.2 is below"}
