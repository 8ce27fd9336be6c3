"""The executors that the stacks are started with can be loaded from the locked packages."""

from __future__ import annotations

import pytest
from airflow.executors.executor_loader import ExecutorLoader

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", ["LocalExecutor", "CeleryExecutor"])
def test_it_loads(name: str) -> None:
    executor = ExecutorLoader.load_executor(name)
    assert type(executor).__name__ == name


def test_its_accounts_load() -> None:
    from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager

    assert FabAuthManager.get_cli_commands()
