"""Fixtures of every tier: a store, workspaces of fresh teams, a sqlite MLflow, Iris as CSV.

The store is the embedded one, in a process of its own (a process hosts only one, and its own tests need
theirs). `IRIS_TEST_STORE=http://access_key:secret_key@host:port` runs the same tests on another, such as a
real MinIO.
"""

from __future__ import annotations

import os
import random
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import pytest

from devstack.embedded_s3 import embedded_s3
from iris_core.ledger import Actor
from iris_core.ledger.workspace import Workspace, access_from_settings, open_workspace
from iris_core.settings.variables import load_settings
from iris_core.store.objects import StoreAccess
from tests.tiers import (  # noqa: F401 - hooks
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_itemcollected,
    pytest_runtest_protocol,
    pytest_runtest_teardown,
)

STORE_VARIABLE = "IRIS_TEST_STORE"
ACTOR = Actor(owner="tester", dag_id="a_dag", run_id="manual__1", task_id="a_task", code_version="test")

# Speed is measured by benchmarks: a test on a busy machine is not wrong because it is slow.
hypothesis.settings.register_profile("iris", deadline=None)
hypothesis.settings.load_profile("iris")

MakeWorkspace = Callable[..., Workspace]


@pytest.fixture(scope="session")
def store_access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreAccess]:
    """An S3 store for the whole session; every test takes buckets of its own."""
    if named := os.environ.get(STORE_VARIABLE):
        url = urlsplit(named)
        yield StoreAccess(f"{url.scheme}://{url.hostname}:{url.port}", url.username or "", url.password or "")
        return
    with embedded_s3(tmp_path_factory.mktemp("store"), access_key="iristest") as endpoint:
        yield StoreAccess(endpoint, "iristest", "iristest-secret")


@pytest.fixture
def make_workspace(
    store_access: StoreAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MakeWorkspace:
    """`make_workspace(versioned=True, **variables)`: a fresh team with its bucket.

    The tracking server is a sqlite file in `tmp_path`; the working directory is `tmp_path` as well, because
    MLflow puts the artifacts of a sqlite server below it.
    """
    monkeypatch.chdir(tmp_path)
    # MLflow prefers these to the tracking URI it is given, and CI or a developer may have them set.
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)

    def make(*, versioned: bool = True, **variables: str) -> Workspace:
        environ = {
            "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
            "MLFLOW_S3_ENDPOINT_URL": store_access.endpoint_url,
            "AWS_ACCESS_KEY_ID": store_access.access_key_id,
            "AWS_SECRET_ACCESS_KEY": store_access.secret_access_key,
            "TEAM": f"team_{uuid.uuid4().hex[:10]}",
            "RUN_OWNER": "tester",
            "IRIS_PROJECT_FILE": os.environ.get("IRIS_PROJECT_FILE", ""),
        }
        settings = load_settings(environ | variables)
        workspace = open_workspace(settings, access_from_settings(settings), ACTOR)
        workspace.store.ensure_bucket(settings.bucket, versioned=versioned)
        return workspace

    return make


@pytest.fixture
def workspace(make_workspace: MakeWorkspace) -> Workspace:
    """A fresh team with a versioned bucket; its MLflow is not there yet (see `tracked`)."""
    return make_workspace()


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty MLflow database: migrating takes seconds, copying milliseconds."""
    import mlflow

    path = tmp_path_factory.mktemp("mlflow") / "template.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path.parent)
        mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def mlflow_db(mlflow_template: Path, tmp_path: Path) -> Path:
    """The MLflow database that this test's workspaces name."""
    return Path(shutil.copy(mlflow_template, tmp_path / "mlflow.db"))


@pytest.fixture
def tracked(mlflow_db: Path, make_workspace: MakeWorkspace) -> Workspace:
    """A fresh team with a versioned bucket and an empty MLflow."""
    return make_workspace()


@pytest.fixture(scope="session")
def iris_rows() -> tuple[list[str], list[str]]:
    """Iris as CSV lines, shuffled by seed 42: 120 for training, 30 to be scored (40 and 10 a class)."""
    from sklearn.datasets import load_iris

    iris = load_iris()
    classes: dict[str, list[str]] = {}
    for values, label in zip(iris.data, iris.target, strict=True):
        name = str(iris.target_names[label])
        classes.setdefault(name, []).append(",".join([*(f"{value:.1f}" for value in values), name]))
    seeded = random.Random(42)
    for lines in classes.values():
        seeded.shuffle(lines)
    train = [line for lines in classes.values() for line in lines[:40]]
    test = [line for lines in classes.values() for line in lines[40:]]
    seeded.shuffle(train)
    seeded.shuffle(test)
    return train, test


@pytest.fixture(scope="session")
def as_csv() -> Callable[[list[str]], bytes]:
    """A labelled Iris table from its lines."""

    def join(lines: list[str]) -> bytes:
        header = "sepal_length,sepal_width,petal_length,petal_width,species"
        return "\n".join([header, *lines, ""]).encode()

    return join


@pytest.fixture(scope="session")
def train_csv(iris_rows: tuple[list[str], list[str]], as_csv: Callable[[list[str]], bytes]) -> bytes:
    """120 labelled rows."""
    return as_csv(iris_rows[0])


@pytest.fixture(scope="session")
def test_csv(iris_rows: tuple[list[str], list[str]], as_csv: Callable[[list[str]], bytes]) -> bytes:
    """30 labelled rows."""
    return as_csv(iris_rows[1])
