"""A client of Airflow's REST API, for `iris doctor`, the demo and the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict

from iris_core.errors import StackError

PATIENCE_S = 10.0


class DagRun(BaseModel):
    """One run of a DAG; `run_type` is asset_triggered, scheduled or manual."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    dag_id: str
    dag_run_id: str
    run_type: str
    state: str
    start_date: datetime | None = None
    end_date: datetime | None = None


class TaskInstance(BaseModel):
    """One task of one run; `map_index` is -1 for a task that is not mapped."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    dag_id: str
    dag_run_id: str
    task_id: str
    map_index: int
    state: str | None = None
    try_number: int
    start_date: datetime | None = None
    end_date: datetime | None = None


class AirflowApi:
    """A client of the API server at `address`.

    :param address: the server's URL.
    :param login: an account's name and password; without it all users must be admins (loopback stacks only).
    :param patience_s: seconds to wait for an answer.
    """

    def __init__(
        self, address: str, login: tuple[str, str] | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        self.address = address
        self._login = login
        self._client = httpx.Client(base_url=address, trust_env=False, timeout=patience_s)

    @cached_property
    def _authorization(self) -> dict[str, str]:
        if self._login is None:
            answer = self._ask("GET", "/auth/token")
        else:
            name, password = self._login
            answer = self._ask("POST", "/auth/token", json={"username": name, "password": password})
        return {"Authorization": f"Bearer {answer['access_token']}"}

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON at a path below `/api/v2`.

        :raises StackError: Airflow does not answer, or refuses.
        """
        return self._ask("GET", f"/api/v2{path}", headers=self._authorization, params=parameters)

    def post(self, path: str, body: Any) -> Any:
        """POST JSON to a path below `/api/v2`; return the JSON of the answer.

        :raises StackError: Airflow does not answer, or refuses.
        """
        return self._ask("POST", f"/api/v2{path}", headers=self._authorization, json=body)

    def patch(self, path: str, body: Any) -> Any:
        """PATCH the resource at a path below `/api/v2`; return the JSON of the answer.

        :raises StackError: Airflow does not answer, or refuses.
        """
        return self._ask("PATCH", f"/api/v2{path}", headers=self._authorization, json=body)

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise StackError(f"Airflow at {self.address} does not answer {path}: {error}") from error
        if response.is_error:
            answer = " ".join(response.text.split())[:200]
            raise StackError(f"Airflow at {self.address}{path}: {response.status_code} {answer}")
        return response.json()

    def dag_ids(self) -> set[str]:
        """Ids of the DAGs that are parsed and not paused."""
        dags = self.get("/dags", limit=100, paused=False, exclude_stale=True)["dags"]
        return {dag["dag_id"] for dag in dags}

    def import_errors(self) -> dict[str, str]:
        """DAG files that cannot be imported, each with its traceback."""
        errors = self.get("/importErrors", limit=20)["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def runs(self, dag_id: str, since: datetime) -> list[DagRun]:
        """Runs of a DAG that started at this time or later, oldest first."""
        found = self.get(
            f"/dags/{dag_id}/dagRuns", start_date_gte=since.isoformat(), order_by="start_date", limit=100
        )
        return [DagRun.model_validate(run) for run in found["dag_runs"]]

    def tasks(self, dag_id: str, since: datetime, states: Iterable[str] = ()) -> list[TaskInstance]:
        """Task instances of a DAG that started at this time or later, oldest first.

        :param dag_id: the DAG.
        :param since: the time.
        :param states: only tasks in one of these states; all if empty.
        """
        found = self.get(
            f"/dags/{dag_id}/dagRuns/~/taskInstances",
            start_date_gte=since.isoformat(),
            order_by="start_date",
            limit=100,
            state=list(states),
        )
        return [TaskInstance.model_validate(task) for task in found["task_instances"]]

    def trigger(self, dag_id: str) -> DagRun:
        """Trigger a manual run of a DAG."""
        return DagRun.model_validate(self.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None}))

    def log_of(self, task: TaskInstance) -> list[str]:
        """The log lines of a task's latest try, as far as they are written."""
        where = f"/dags/{task.dag_id}/dagRuns/{task.dag_run_id}/taskInstances/{task.task_id}"
        answer = self.get(f"{where}/logs/{task.try_number}", map_index=task.map_index, full_content=True)
        return [line for entry in answer["content"] for line in _lines(entry)]

    def asset_id(self, name: str) -> int | None:
        """Airflow's number of the asset with this name; None if there is none."""
        found = self.get("/assets", name_pattern=name, limit=50)["assets"]
        return next((asset["id"] for asset in found if asset["name"] == name), None)

    def asset_state(self, asset_id: int) -> dict[str, Any]:
        """What an asset's watcher has stored, by key."""
        entries = self.get(f"/assets/{asset_id}/state-store", limit=50)["asset_state_store"]
        return {entry["key"]: entry["value"] for entry in entries}


def _lines(entry: Any) -> Iterable[str]:
    """A log entry's message, and its exceptions."""
    if isinstance(entry, str):
        yield entry
        return
    level = str(entry.get("level", "")).upper()
    yield f"{level} {entry.get('event', '')}".strip()
    for error in entry.get("error_detail") or ():
        yield f"{error.get('exc_type')}: {error.get('exc_value')}"
