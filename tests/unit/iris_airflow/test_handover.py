"""The triggerer runs our runner where it is the one we know, and Airflow's own anywhere else."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypedDict

import airflow.jobs
import pytest
from airflow.jobs import triggerer_job_runner
from airflow.jobs.triggerer_job_runner import TriggerRunner, TriggerRunnerSupervisor, messages
from pydantic import BaseModel

from iris_airflow import handover
from iris_airflow.prompt_runner import PromptTriggerRunner

pytestmark = pytest.mark.unit


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[type]:
    """The classes of the runners that were run."""
    ran: list[type] = []
    monkeypatch.setattr(TriggerRunner, "run", lambda self: ran.append(type(self)))
    monkeypatch.setattr(triggerer_job_runner, "TriggerRunner", TriggerRunner)
    return ran


def test_the_triggerer_runs_it_once_it_is_installed(
    ran: list[type], caplog: pytest.LogCaptureFixture
) -> None:
    TriggerRunnerSupervisor.run_in_process()
    handover.install()
    TriggerRunnerSupervisor.run_in_process()
    handover.install()
    TriggerRunnerSupervisor.run_in_process()
    assert ran == [TriggerRunner, PromptTriggerRunner, PromptTriggerRunner]
    assert caplog.messages == []


def method(name: str, replacement: Any) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(TriggerRunner, name, replacement)


def attribute(name: str, value: Any) -> Callable[[pytest.MonkeyPatch], None]:
    """An attribute that an instance has, otherwise than here."""
    known = TriggerRunner.__init__

    def begin(self: Any) -> None:
        known(self)
        setattr(self, name, value)

    return lambda patch: patch.setattr(TriggerRunner, "__init__", begin)


def no_module(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, triggerer_job_runner.__name__, None)
    patch.delattr(airflow.jobs, "triggerer_job_runner")


class OtherMessages:
    class TriggerStateChanges(BaseModel):
        announcements: list[int]

    TriggerStateSync = messages.TriggerStateSync


class OtherDetails(TypedDict):
    task: Any


def run_elsewhere(cls: type) -> None:
    triggerer_job_runner.TriggerRunnerSupervisor.runner = None  # type: ignore[misc]


async def sync_more(self: Any, finished_ids: list[int], queue: str) -> None:
    """Airflow's, with one parameter more."""


def sync_at_once(self: Any, finished_ids: list[int]) -> None:
    """Airflow's, no coroutine."""


OTHERS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "no module": no_module,
    "no runner": lambda patch: patch.delattr(triggerer_job_runner, "TriggerRunner"),
    "no method": lambda patch: patch.delattr(TriggerRunner, "process_trigger_events"),
    "another parameter": method("sync_state_to_supervisor", sync_more),
    "no coroutine": method("sync_state_to_supervisor", sync_at_once),
    "no function": method("init_comms", 7),
    "events elsewhere": attribute("events", []),
    "cancellations elsewhere": attribute("to_cancel", set()),
    "releases elsewhere": attribute("to_release", set()),
    "an interpreter of its own": lambda patch: patch.setattr(
        triggerer_job_runner, "supervisor", SimpleNamespace(_should_use_exec=lambda: True), raising=False
    ),
    "needs an argument": lambda patch: patch.setattr(TriggerRunner, "__init__", lambda self, job: None),
    "another message": lambda patch: patch.setattr(triggerer_job_runner, "messages", OtherMessages),
    "other details": lambda patch: patch.setattr(triggerer_job_runner, "TriggerDetails", OtherDetails),
    "runs another class": lambda patch: patch.setattr(
        TriggerRunnerSupervisor, "run_in_process", classmethod(run_elsewhere)
    ),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_airflow_keeps_its_own_and_one_line_says_so(
    other: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(triggerer_job_runner, "TriggerRunner", TriggerRunner)
        OTHERS[other](patch)
        before = inspect.getattr_static(triggerer_job_runner, "TriggerRunner", None)
        handover.install()
        assert inspect.getattr_static(triggerer_job_runner, "TriggerRunner", None) is before
    [line] = caplog.messages
    assert line.startswith("Events are handed over once a second: this Airflow's triggerer is another (")
