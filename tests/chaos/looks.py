"""What the runs of a chaos look at, and full looks that wait until the last upload."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from devstack.stack import Stack
from iris_core.doctor.airflow_api import AirflowApi, DagRun
from iris_core.errors import StackError
from iris_core.settings.names import Names

Result = TypeVar("Result")

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90.0
FIRST_RUNS_S = 30.0
"""A fresh stack starts the daily runs in this time, or not at all."""
PAGE = 100
STARTING = ("training_data", "staged_model", "inference_data", "predictions", "labels", "retrain_request")
"""The assets whose events start runs."""
LOCAL_SETTINGS = """
import sys

if "triggerer" in sys.argv:
    sys.path.append({root!r})
    from tests.chaos import holding

    holding.install({file!r})
"""


class Looks(StrEnum):
    """What runs look at: `named` and `everything` as the variable `LOOKS`; `named_only` as `named`, but daily
    runs and watchers look at everything only after the last upload."""

    named = "named"
    named_only = "named-only"
    everything = "everything"

    @property
    def variables(self) -> dict[str, str]:
        """Variables of the stack."""
        return {"LOOKS": (Looks.everything if self is Looks.everything else Looks.named).value}


@dataclass(frozen=True)
class Held:
    """A stack's full looks, which wait: daily runs, the watchers' listings and first announcements."""

    airflow: AirflowApi
    names: Names
    file: Path
    since: datetime

    @classmethod
    def begin(cls, stack: Stack, airflow: AirflowApi) -> Held:
        """Hold them back, in a stack that has just been started."""
        names, file = stack.workspace().settings.names, stack.home.root / "full-looks-wait"
        file.touch()
        with (stack.home.airflow / "config" / "airflow_local_settings.py").open("a") as settings:
            settings.write(LOCAL_SETTINGS.format(root=str(ROOT), file=str(file)))
        stack.restart("triggerer")
        until = time.monotonic() + FIRST_RUNS_S
        ended: set[str] = set()
        while len(ended) < len(names.dags) and time.monotonic() < until:
            for run in _of_no_event(airflow):
                airflow.patch(f"/dags/{run.dag_id}/dagRuns/{run.dag_run_id}", {"state": "failed"})
                ended.add(run.dag_id)
            time.sleep(0.5)
        return cls(airflow, names, file, datetime.now(UTC))

    def release(self) -> list[str]:
        """Let them begin, with a run of each DAG; return the full looks that began before."""
        early = [f"{run.dag_run_id} of {run.dag_id}" for run in patiently(lambda: _of_no_event(self.airflow))]
        early += patiently(lambda: [*unnamed(self._events())])
        self.file.unlink()
        for dag_id in self.names.dags:
            patiently(partial(self.airflow.trigger, dag_id))
        return early

    def _events(self) -> list[Mapping[str, Any]]:
        starting = {self.names.asset(name) for name in STARTING}
        events = _pages(self.airflow, "/assets/events", "asset_events", timestamp_gte=self.since.isoformat())
        return [event for event in events if event["name"] in starting]


def unnamed(events: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Events that do not name all they are about, so that a run that they start looks at everything."""
    for event in events:
        extra = event["extra"] or {}
        sent = extra.get("payload") if extra.get("from_trigger") else extra
        if not isinstance(sent, dict) or "others" not in sent:
            yield f"event {event['id']} of {event['name']} names not all: {sent}"


def _of_no_event(airflow: AirflowApi) -> list[DagRun]:
    """Runs that no event started, and that nobody ended."""
    kinds = ["scheduled", "manual", "backfill"]
    listed = _pages(airflow, "/dags/~/dagRuns", "dag_runs", run_type=kinds)
    found = [DagRun.model_validate(run) for run in listed]
    return [run for run in found if run.state != "failed"]


def _pages(airflow: AirflowApi, path: str, name: str, **query: Any) -> list[Any]:
    found: list[Any] = []
    while True:
        answer = airflow.get(path, limit=PAGE, offset=len(found), **query)
        found += answer[name]
        if not answer[name] or len(found) >= answer["total_entries"]:
            return found


def patiently(step: Callable[[], Result]) -> Result:
    """The result of a step that asks Airflow, which may be away for a while."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return step()
        except StackError:
            if time.monotonic() > until:
                raise
            time.sleep(1)
