"""A real MLflow server, the embedded store, and the provider's connections to them."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
from sklearn.linear_model import LogisticRegression

from iris_core.store.objects import ObjectStore, StoreAccess
from tests.dags.conftest import environment
from tests.real_mlflow import real_mlflow

BUCKET = "landing"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server without a login."""
    folder = tmp_path_factory.mktemp("mlflow")
    environ = {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder}/mlflow.db"}
    with real_mlflow(folder, [sys.executable, "-m", "mlflow", "server"], environ) as address:
        yield address


@contextmanager
def reached(server: str) -> Iterator[None]:
    """MLflow's functions reach this server, and afterwards what they reached before."""
    before = mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", server)
        mlflow.set_tracking_uri(server)
        try:
            yield
        finally:
            mlflow.set_tracking_uri(before)


@pytest.fixture(scope="module")
def logged(server: str) -> str:
    """The address of a model that somebody logged."""
    with reached(server), mlflow.start_run() as run, warnings.catch_warnings(action="ignore"):
        model = LogisticRegression().fit([[0.0], [1.0]], ["a", "b"])
        mlflow.sklearn.log_model(model, name="model")
    return f"runs:/{run.info.run_id}/model"


@pytest.fixture
def connections(server: str, store_access: StoreAccess, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    store = {
        "conn_type": "minio",
        "login": store_access.access_key_id,
        "password": store_access.secret_access_key,
        "extra": {"endpoint_url": store_access.endpoint_url},
    }
    host, port = server.removeprefix("http://").split(":")
    registry = {"conn_type": "mlflow", "host": host, "port": int(port)}
    made = {
        "AIRFLOW_CONN_MINIO_DEFAULT": json.dumps(store),
        "AIRFLOW_CONN_MLFLOW_DEFAULT": json.dumps(registry),
    }
    for name, value in made.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def store(store_access: StoreAccess) -> ObjectStore:
    made = ObjectStore(store_access)
    made.ensure_bucket(BUCKET, versioned=True)
    return made


def migrated(home: Path, example: Path, connections: dict[str, str]) -> dict[str, str]:
    """The environment of an Airflow with its home and a new database in a folder, and an example's DAGs."""
    environ = environment(home, AIRFLOW__CORE__DAGS_FOLDER=str(example.parent), **connections)
    migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(migrate, env=environ, cwd=home, capture_output=True, timeout=200, check=True)
    return environ
