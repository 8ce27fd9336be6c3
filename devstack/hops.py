"""Hops: the steps of an upload on its way to the verdict. Each is read from the ledger or from Airflow."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any, Literal, TypeVar

from devstack.logs import most_telling
from iris_core.doctor.airflow_api import AirflowApi, TaskInstance
from iris_core.errors import StackError, StoreError
from iris_core.ledger import Kind, Ledger, Record
from iris_core.store.objects import ObjectVersion

HopName = Literal["landed", "run_started", "validated", "trained", "staged", "scored", "drift"]
Found = TypeVar("Found")

log = logging.getLogger(__name__)

POLL_S = 0.25
LOOK_FOR_FAILURES_S = 3.0


class HopMissing(StackError):
    """A hop did not arrive within its bound, or its task failed; the message quotes the task's log."""

    def __init__(self, hop: HopName, message: str) -> None:
        super().__init__(f"{hop}: {message}")
        self.hop = hop


@dataclass(frozen=True)
class Hop:
    """A hop that was seen; `facts` is JSON-able."""

    name: HopName
    seconds_since_upload: float
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sight:
    """Looks for hops in the ledger and in Airflow.

    `idle` is called while a hop is awaited, with its name and the seconds so far.
    """

    ledger: Ledger
    airflow: AirflowApi
    bound_s: float
    idle: Callable[[HopName, float], None] = lambda _name, _seconds: None

    def wait_for(self, hop: HopName, dag_id: str, since: datetime, look: Callable[[], Found | None]) -> Found:
        """Look for a hop until it is seen, also if Airflow or the store does not answer for a while.

        :param hop: the hop.
        :param dag_id: the DAG whose failed tasks explain a missing hop.
        :param since: only tasks that started since this time count.
        :param look: returns the hop's evidence, or None.
        :raises HopMissing: the hop did not arrive in time, or a task failed for good.
        """
        began = time.monotonic()
        next_check = LOOK_FOR_FAILURES_S
        while (found := _patiently(look)) is None:
            seconds = time.monotonic() - began
            self.idle(hop, seconds)
            if seconds > next_check:
                next_check += LOOK_FOR_FAILURES_S
                self._check_failures(hop, dag_id, since)
            if seconds > self.bound_s:
                why = self._why(dag_id, since)
                raise HopMissing(hop, f"did not arrive within {self.bound_s:.0f} s. {why}")
            time.sleep(POLL_S)
        return found

    def run_started(self, dag_id: str, since: datetime) -> dict[str, Any] | None:
        """Run id, DAG and start of the first run that an event started since this time; None without one."""
        for run in self.airflow.runs(dag_id, since):
            if run.run_type == "asset_triggered" and run.start_date:
                return {"run": run.dag_run_id, "dag": dag_id, "at": run.start_date}
        return None

    def task_done(self, dag_id: str, task_id: str, since: datetime) -> TaskInstance | None:
        """The first successful instance of a task, in any run since this time; None without one.

        :param dag_id: the DAG.
        :param task_id: the task.
        :param since: the time.
        """
        done = self.airflow.tasks(dag_id, since, ["success"])
        return next((task for task in done if task.task_id == task_id and task.end_date), None)

    def decided(self, kind: Kind, since: datetime, choose: Callable[[Record], Found | None]) -> Found | None:
        """The newest wanted decision of a kind since this time; None without one.

        :param kind: the kind of decision.
        :param since: the time.
        :param choose: returns a wanted record, and None for any other.
        """
        newest = takewhile(lambda record: record.at >= since, self.ledger.recent(kind))
        return next((chosen for record in newest if (chosen := choose(record))), None)

    def _check_failures(self, hop: HopName, dag_id: str, since: datetime) -> None:
        failed = _patiently(lambda: self.airflow.tasks(dag_id, since, ["failed"]))
        if failed:
            raise HopMissing(hop, f"will not arrive. {self._explain(failed[0])}")

    def _why(self, dag_id: str, since: datetime) -> str:
        unwell = _patiently(lambda: self.airflow.tasks(dag_id, since, ["up_for_retry", "failed"]))
        if unwell:
            return self._explain(unwell[0])
        tasks = _patiently(lambda: self.airflow.tasks(dag_id, since))
        if tasks is None:
            return "Airflow does not answer: see `iris status`."
        if not tasks:
            return f"No task of {dag_id} has started since the upload."
        states = ", ".join(f"{task.task_id} {task.state}" for task in tasks[-6:])
        return f"The newest tasks of {dag_id}: {states}."

    def _explain(self, task: TaskInstance) -> str:
        lines = _patiently(lambda: self.airflow.log_of(task)) or []
        return (
            f"Task {task.task_id} of {task.dag_id} ({task.state}, try {task.try_number}, "
            f"run {task.dag_run_id}): {most_telling(lines) or 'its log is empty'}"
        )


def _patiently(look: Callable[[], Found | None]) -> Found | None:
    try:
        return look()
    except (StackError, StoreError) as error:
        log.info("Looked in vain: %s", error)
        return None


def is_about(record: Record, version: ObjectVersion) -> bool:
    """Whether a record is about exactly this object version."""
    return record.about is not None and record.about.digest == version.digest


def seconds_between(since: datetime, until: datetime) -> float:
    """Seconds between two times, never negative: the clocks of store and Airflow may differ a little."""
    return round(max(0.0, (until.astimezone(UTC) - since.astimezone(UTC)).total_seconds()), 3)
