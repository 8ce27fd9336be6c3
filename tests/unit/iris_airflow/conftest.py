"""Airflow without a database: the connection and the team come from the environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from iris_core.ledger.workspace import Workspace
from iris_core.store.objects import StoreAccess

if TYPE_CHECKING:
    from airflow.sdk import Context


@pytest.fixture
def minio_connection(store_access: StoreAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection `minio_default` as the stack provides it."""
    connection = {
        "conn_type": "aws",
        "login": store_access.access_key_id,
        "password": store_access.secret_access_key,
        "extra": {"endpoint_url": store_access.endpoint_url, "region_name": store_access.region},
    }
    monkeypatch.setenv("AIRFLOW_CONN_MINIO_DEFAULT", json.dumps(connection))


Running = Callable[..., Any]


@pytest.fixture
def running(minio_connection: None, monkeypatch: pytest.MonkeyPatch) -> Running:
    """`with running(workspace, outlets=…) as context`: a task of the workspace's team runs."""
    from airflow.sdk.execution_time.context import set_current_context

    @contextmanager
    def run(workspace: Workspace, **more: Any) -> Iterator[Context]:
        settings = workspace.settings
        monkeypatch.setenv("TEAM", settings.team)
        monkeypatch.setenv("PLATFORM_ENV", settings.platform_env)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", settings.tracking_uri)
        monkeypatch.setenv("RUN_OWNER", "jane.doe")
        monkeypatch.setenv("ACCURACY_THRESHOLD", str(settings.accuracy_threshold))
        pushed: dict[str, Any] = {}
        task = SimpleNamespace(
            dag_id="a_dag", run_id="manual__7", task_id="a_task", try_number=3, map_index=-1, pushed=pushed
        )
        task.xcom_push = lambda key, value: pushed.update({key: value})
        context = cast("Context", {"ti": task, "task_instance": task, **more})
        with set_current_context(context):
            yield context

    return run
