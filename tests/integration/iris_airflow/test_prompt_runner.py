"""The prompt runner beside other people's triggers, under Airflow's own supervisor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.jobs import triggerer_job_runner
from airflow.jobs.triggerer_job_runner import messages
from airflow.sdk.execution_time.comms import OKResponse

from iris_airflow import handover, prompt_runner
from tests.triggering import CountingWatcher, PollingTrigger, Supervisor, supervised

pytestmark = pytest.mark.integration

WATCHER, TASKS = 1, 2


@pytest.fixture
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The triggerer's runner is ours until the test is over."""
    monkeypatch.setattr(triggerer_job_runner, "TriggerRunner", triggerer_job_runner.TriggerRunner)
    handover.install()
    assert triggerer_job_runner.TriggerRunner is prompt_runner.PromptTriggerRunner


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes"
    path.touch()
    return path


@pytest.fixture
def announce(tmp_path: Path) -> Callable[[], None]:
    """Let the watcher announce one thing more."""

    def go() -> None:
        with (tmp_path / "go").open("a") as file:
            file.write("x")

    return go


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.slow
@pytest.mark.usefixtures("prompt")
class TestHarmless:
    def test_a_trigger_is_cancelled_once_and_its_on_kill_ends(
        self, notes: Path, tmp_path: Path, announce: Callable[[], None]
    ) -> None:
        """Airflow's supervisor asks for it in every answer; each announcement has one."""
        with supervised(Supervisor) as supervisor:
            supervisor.want(WATCHER, CountingWatcher(str(tmp_path / "go")))
            supervisor.want(TASKS, PollingTrigger(str(notes), kill_s=2.5))
            supervisor.until(lambda: lines(notes) == ["runs"])
            del supervisor.wanted[TASKS]

            def ended() -> bool:
                announce()
                return TASKS not in supervisor.running_triggers

            supervisor.until(ended)
            assert lines(notes) == ["runs", "cancelled", "on_kill begins", "on_kill ends"]
            assert len(supervisor.got) > 10, "so few answers prove nothing"
            assert (supervisor.cancelling_triggers, supervisor.failed) == (set(), [])

    @pytest.mark.skipif(
        "to_release" not in messages.TriggerStateSync.model_fields,
        reason="Airflow 3.3 does not say that another triggerer runs a trigger now",
    )
    def test_one_that_another_triggerer_runs_now_is_cancelled_once_and_not_killed(
        self, notes: Path, tmp_path: Path, announce: Callable[[], None]
    ) -> None:
        with supervised(Supervisor) as supervisor:
            supervisor.want(WATCHER, CountingWatcher(str(tmp_path / "go")))
            supervisor.want(TASKS, PollingTrigger(str(notes), cleanup_s=2.5))
            supervisor.until(lambda: lines(notes) == ["runs"])
            supervisor.moved[TASKS] = 8
            del supervisor.wanted[TASKS]

            def ended() -> bool:
                announce()
                return TASKS not in supervisor.running_triggers

            supervisor.until(ended)
            assert lines(notes) == ["runs", "cancelled", "cleanup begins", "cleanup ends"]
            assert len(supervisor.got) > 10, "so few answers prove nothing"

    def test_one_that_swallowed_it_is_cancelled_again(
        self, notes: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(prompt_runner, "CANCELLED_AGAIN_AFTER_S", 1.5)
        with supervised(Supervisor) as supervisor:
            supervisor.want(TASKS, PollingTrigger(str(notes), deaf_to=1))
            supervisor.until(lambda: lines(notes) == ["runs"])
            del supervisor.wanted[TASKS]
            supervisor.until(lambda: TASKS not in supervisor.running_triggers)
            assert lines(notes)[1:3] == ["cancelled", "cancelled"]

    def test_a_tasks_trigger_may_end_itself_after_its_event(
        self, notes: Path, tmp_path: Path, announce: Callable[[], None]
    ) -> None:
        """Handed over at once it would be cancelled in the midst of that, as if a user had."""
        with supervised(Supervisor) as supervisor:
            supervisor.want(WATCHER, CountingWatcher(str(tmp_path / "go")))
            for trigger_id in range(TASKS, TASKS + 10):
                late = trigger_id / 10
                supervisor.want(trigger_id, PollingTrigger(str(notes), fires_s=0.5 + late, tail_s=0.6))

            def ended() -> bool:
                announce()
                return supervisor.running_triggers == {WATCHER} and bool(lines(notes))

            supervisor.until(ended)
            assert sorted(lines(notes)) == ["ended by itself"] * 10 + ["runs"] * 10
            assert sum("job" in payload for _, payload, _ in supervisor.got) == 10

    def test_what_is_announced_comes_once_in_order_and_at_once(
        self, tmp_path: Path, announce: Callable[[], None]
    ) -> None:
        with supervised(Supervisor) as supervisor:
            supervisor.want(WATCHER, CountingWatcher(str(tmp_path / "go")))
            for number in range(1, 22):
                announce()
                supervisor.until(lambda number=number: len(supervisor.got) == number)  # type: ignore[misc]
            assert [payload["number"] for _, payload, _ in supervisor.got] == list(range(1, 22))
            waited = sorted(came - payload["at"] for _, payload, came in supervisor.got)
            assert waited[10] < 0.5, "half of Airflow's second, which each would wait for here"


class Confused(Supervisor):
    """Answers the first hand-over with something else."""

    confused = False

    def _handle_request(self, msg: Any, log: Any, req_id: int) -> None:
        if getattr(msg, "events", None) and not self.confused:
            self.confused = True
            self.send_msg(OKResponse(ok=True), request_id=req_id)
        else:
            super()._handle_request(msg, log, req_id)


class TestFailure:
    @pytest.mark.usefixtures("prompt")
    def test_events_are_put_back_and_the_runner_ends(
        self, tmp_path: Path, announce: Callable[[], None]
    ) -> None:
        with supervised(Confused) as supervisor:
            supervisor.want(WATCHER, CountingWatcher(str(tmp_path / "go")))
            announce()
            announce()
            supervisor.until_dead()
            supervisor.handle_events()
            assert [payload["number"] for _, payload, _ in supervisor.got][:2] == [1, 2]

    def test_as_airflows_own_does(self, tmp_path: Path, announce: Callable[[], None]) -> None:
        with supervised(Confused) as supervisor:
            supervisor.want(WATCHER, CountingWatcher(str(tmp_path / "go")))
            announce()
            supervisor.until_dead()
            assert supervisor.confused

    @pytest.mark.usefixtures("prompt")
    def test_a_runner_without_its_supervisor_ends(self, tmp_path: Path, announce: Callable[[], None]) -> None:
        with supervised(Supervisor) as supervisor:
            supervisor.want(WATCHER, CountingWatcher(str(tmp_path / "go")))
            announce()
            supervisor.until(lambda: len(supervisor.got) == 1)
            supervisor.stdin.close()
            supervisor.until_dead()
