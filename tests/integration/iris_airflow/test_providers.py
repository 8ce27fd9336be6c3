"""What docker-compose.yml has Airflow load can be loaded from the locked packages."""

from __future__ import annotations

from importlib import import_module

import pytest

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("airflow.providers.celery.executors.celery_executor", "CeleryExecutor"),
        ("airflow.providers.fab.auth_manager.fab_auth_manager", "FabAuthManager"),
    ],
)
def test_it_loads(module: str, name: str) -> None:
    assert isinstance(getattr(import_module(module), name), type)
