"""Airflow's API server in this process: its database, its login, and the page mounted as it mounts it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from iris_core.ledger.workspace import Workspace

Login = Callable[..., TestClient]


@pytest.fixture(scope="session")
def airflow_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database with Airflow's tables, which this process uses from now on."""
    from airflow import settings
    from airflow.models import import_all_models
    from airflow.models.base import Base

    path = tmp_path_factory.mktemp("airflow") / "airflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{path}")
        settings.configure_vars()
        settings.configure_orm()
        import_all_models()
        Base.metadata.create_all(settings.get_engine())
        yield path
    settings.dispose_orm()


@pytest.fixture
def login(airflow_database: Path, tracked: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Login]:
    """`login(role="viewer", name="jane")`: a browser of a user with this role; `login(None)` of nobody.

    The roles are those of Airflow's simple auth manager: a viewer reads, a user also edits DAGs.
    """
    from airflow.api_fastapi.app import get_auth_manager, init_auth_manager, purge_cached_app
    from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.api_fastapi.core_api.app import init_middlewares

    from iris_airflow.plugin import IrisPlugin
    from iris_airflow.views import visits

    settings, access = tracked.settings, tracked.store.access
    connection = {
        "conn_type": "aws",
        "login": access.access_key_id,
        "password": access.secret_access_key,
        "extra": {"endpoint_url": access.endpoint_url, "region_name": access.region},
    }
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    monkeypatch.setenv("AIRFLOW_CONN_MINIO_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("TEAM", settings.team)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", settings.tracking_uri)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", settings.s3_endpoint_url)
    visits.forget()
    app = FastAPI()
    [mounted] = IrisPlugin().fastapi_apps
    app.mount(mounted["url_prefix"], mounted["app"])
    init_auth_manager(app)
    init_middlewares(app)

    def browser(role: str | None = "viewer", name: str = "jane") -> TestClient:
        client = TestClient(app, base_url="http://airflow.test", follow_redirects=False)
        if role:
            token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name, role=role))
            client.cookies.set(COOKIE_NAME_JWT_TOKEN, token)
        return client

    yield browser
    visits.forget()
    purge_cached_app()
