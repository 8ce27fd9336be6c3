"""Which process forks the processes that run tasks."""

from __future__ import annotations

import pytest

from iris_airflow.local_settings import forks_workers

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("command", "executor", "forks"),
    [
        ("airflow scheduler --skip-serve-logs", "LocalExecutor", True),
        ("airflow scheduler --skip-serve-logs", "CeleryExecutor", False),
        ("airflow scheduler", "KubernetesExecutor", False),
        ("airflow scheduler", "CeleryExecutor,LocalExecutor", True),
        ("airflow celery worker", "CeleryExecutor", True),
        ("airflow celery flower", "CeleryExecutor", False),
        ("airflow triggerer", "LocalExecutor", False),
        ("airflow api-server", "LocalExecutor", False),
    ],
)
def test_who_forks_workers(command: str, executor: str, forks: bool) -> None:
    assert forks_workers(command.split(), executor) is forks
