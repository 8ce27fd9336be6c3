"""docker-compose.yml's `mlflow-init` on a real MLflow with its login: who may do what, and nobody else."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import mlflow
import numpy as np
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from deploy import mlflow_init
from iris_core import models, promotion
from iris_core.cli import app
from iris_core.cli.deployment import chosen_compose
from iris_core.errors import ApprovalAwaited, ConfigError, RegistryError
from iris_core.events.alias import AliasPoll
from iris_core.ledger.records.gate import GateEvidence
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.models.alias import aliased
from iris_core.settings.variables import load_settings
from tests.real_mlflow import answers, real_mlflow
from tests.registry import train_one

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
SECRETS = {
    "MLFLOW_ADMIN_PASSWORD": "admin-secret-1",
    "MLFLOW_PIPELINES_PASSWORD": "pipelines-secret-1",
    "MLFLOW_STAGING_PASSWORD": "staging-secret-1",
    "MLFLOW_READER_PASSWORD": "reader-secret-1",
}
NAMES = load_settings({}).names


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLflow server as compose starts it, but on sqlite; provisioned twice."""
    folder = tmp_path_factory.mktemp("mlflow")
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    config = document["configs"]["mlflow-login"]["content"]
    config = re.sub(r"(?m)^database_uri = .*$", f"database_uri = sqlite:///{folder}/auth.db", config)
    (folder / "login.ini").write_text(config, encoding="utf-8")
    environ = {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "login.ini"),
        "MLFLOW_AUTH_ADMIN_USERNAME": document["services"]["mlflow"]["environment"][
            "MLFLOW_AUTH_ADMIN_USERNAME"
        ],
        "MLFLOW_AUTH_ADMIN_PASSWORD": SECRETS["MLFLOW_ADMIN_PASSWORD"],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "key",
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder}/mlflow.db",
    }
    login = [word for word in document["services"]["mlflow"]["command"] if word.startswith("--app-name")]
    with real_mlflow(folder, [sys.executable, "-m", "mlflow", "server", *login], environ) as address:
        for _ in range(2):
            mlflow_init.provision({**SECRETS, "MLFLOW_TRACKING_URI": address})
        yield address


Login = Callable[[str], MlflowClient]
MakeWorkspace = Callable[..., Workspace]


@pytest.fixture
def login(server: str, monkeypatch: pytest.MonkeyPatch) -> Login:
    """A client in the name of an account."""

    def logged_in(account: str) -> MlflowClient:
        role = next(role for role in mlflow_init.ROLES if role.account == account)
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", account)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRETS[role.secret])
        return tracking.client(load_settings({"MLFLOW_TRACKING_URI": server}))

    return logged_in


@pytest.fixture
def version(login: Login) -> str:
    """A model's version that the pipelines logged and registered."""
    client = login("pipelines")
    experiment = tracking.ensure_experiment(client, NAMES.training_experiment)
    model = LogisticRegression().fit(np.array([[0.0], [1.0]]), ["a", "b"])
    with mlflow.start_run(experiment_id=experiment), warnings.catch_warnings(action="ignore"):
        mlflow.log_metric("accuracy", 1.0)
        mlflow.log_dict({"a": 1}, "a.json")
        info = mlflow.sklearn.log_model(
            model, name="model", pip_requirements=["scikit-learn"], serialization_format="skops"
        )
    return str(mlflow.register_model(info.model_uri, NAMES.model).version)


def test_nobody_anonymous_but_the_health_check(server: str) -> None:
    assert answers(server)
    for path in (
        "/",
        "/api/2.0/mlflow/experiments/search?max_results=1",
        f"/api/2.0/mlflow/registered-models/get?name={NAMES.model}",
        "/api/2.0/mlflow-artifacts/artifacts",
        "/signup",
    ):
        for credentials in (None, ("admin", "password1234"), ("reader", "wrong")):
            answer = httpx.get(f"{server}{path}", auth=credentials, trust_env=False)
            assert answer.status_code == 401, (path, credentials)


def refused(act: Callable[[], object]) -> bool:
    with pytest.raises(MlflowException, match="Permission denied"):
        act()
    return True


def test_the_pipelines_log_register_stage_and_take_back(login: Login, version: str) -> None:
    client = login("pipelines")
    client.set_registered_model_alias(NAMES.model, "staging", version)
    client.transition_model_version_stage(NAMES.model, version, "Staging")
    client.set_model_version_tag(NAMES.model, version, "iris", "1")
    client.delete_model_version(NAMES.model, version)
    assert refused(lambda: client.delete_registered_model(NAMES.model))


def test_who_may_stage_moves_the_alias_and_logs_nothing(login: Login, version: str) -> None:
    client = login("staging")
    client.set_registered_model_alias(NAMES.model, "staging", version)
    client.transition_model_version_stage(NAMES.model, version, "Staging")
    experiment = client.get_experiment_by_name(NAMES.training_experiment)
    assert experiment
    assert refused(lambda: client.create_run(experiment.experiment_id))
    assert refused(lambda: client.delete_registered_model(NAMES.model))


def test_a_reader_reads_and_changes_nothing(login: Login, version: str, tmp_path: Path) -> None:
    client = login("reader")
    experiment = client.get_experiment_by_name(NAMES.training_experiment)
    assert experiment
    [run, *_] = client.search_runs([experiment.experiment_id])
    assert run.data.metrics["accuracy"] == 1.0
    assert client.get_model_version(NAMES.model, version)
    assert mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/a.json") == {"a": 1}
    mlflow.artifacts.download_artifacts(f"models:/{NAMES.model}/{version}", dst_path=str(tmp_path))
    assert refused(lambda: client.set_registered_model_alias(NAMES.model, "staging", version))
    assert refused(lambda: client.transition_model_version_stage(NAMES.model, version, "Staging"))
    assert refused(lambda: client.log_metric(run.info.run_id, "accuracy", 0.0))
    assert refused(lambda: client.create_run(experiment.experiment_id))
    assert refused(lambda: client.create_model_version(NAMES.model, "file:///etc"))


@pytest.fixture
def asked(
    server: str, login: Login, make_workspace: MakeWorkspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[Workspace, Path]]:
    """A stack's store, where the pipelines ask a human about a model; and the `.env` by which it is found."""
    login("pipelines")
    pipelines = {
        "MLFLOW_TRACKING_USERNAME": "pipelines",
        "MLFLOW_TRACKING_PASSWORD": SECRETS["MLFLOW_PIPELINES_PASSWORD"],
    }
    workspace = make_workspace(MLFLOW_TRACKING_URI=server, PROMOTION_APPROVAL="manual", **pipelines)
    access = workspace.store.access
    env_file = tmp_path / ".env"
    variables = {
        **SECRETS,
        "MLFLOW_PORT": str(urlsplit(server).port),
        "MLFLOW_S3_ENDPOINT_URL": access.endpoint_url,
        "AWS_ACCESS_KEY_ID": access.access_key_id,
        "AWS_SECRET_ACCESS_KEY": access.secret_access_key,
        "UPLOAD_ACCESS_KEY_ID": "upload",
        "UPLOAD_SECRET_ACCESS_KEY": "upload-secret",
        "AIRFLOW_ADMIN_PASSWORD": "airflow-secret",
        "TEAM": workspace.settings.team,
        "PROMOTION_APPROVAL": "manual",
    }
    env_file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    monkeypatch.setenv("RUN_OWNER", "jane")
    yield workspace, env_file
    chosen_compose.set(None)


def test_who_may_stage_answers_by_the_command_line(asked: tuple[Workspace, Path], train_csv: bytes) -> None:
    workspace, env_file = asked
    record = train_one(workspace, train_csv)
    with pytest.raises(ApprovalAwaited, match="iris approve 1 --reason"):
        promotion.register_step(workspace, record.identity)
    # Another limit than the evidence is about: the gate judges again, in the name of an account without runs.
    env_file.write_text(f"{env_file.read_text()}ACCURACY_THRESHOLD=0.2\n")
    done = CliRunner().invoke(app, ["--compose", str(env_file), "approve", "1", "--reason", "it looks right"])
    assert done.exit_code == 0, done.output
    assert "Version 1 is approved and staged." in done.output
    verdict = promotion.verdict_on(workspace, record)
    assert verdict
    assert verdict.reason.startswith("approved by jane: it looks right; ")
    assert isinstance(verdict.evidence, GateEvidence)
    assert verdict.evidence.threshold == 0.2
    staged = models.staged(workspace.settings)
    assert staged
    assert staged.version == 1


def test_the_watcher_of_the_alias_logs_in(
    server: str, login: Login, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    login("pipelines").set_registered_model_alias(NAMES.model, "staging", version)

    async def kinds(poll: AliasPoll) -> list[str]:
        async with aclosing(poll.signals()) as signals:
            return [(await anext(signals)).kind for _ in range(3)]

    # On a machine that is busy a first answer may come too late.
    found = AliasPoll(server, NAMES.model, 0.1, ("pipelines", SECRETS["MLFLOW_PIPELINES_PASSWORD"]))
    assert "subscribed" in asyncio.run(kinds(found))
    assert found.staged
    assert found.staged.model.version == int(version)
    refused = AliasPoll(server, NAMES.model, 0.1, ("pipelines", "wrong"))
    assert asyncio.run(kinds(refused)) == ["down"] * 3
    assert "MLflow refused the login (401). Check MLFLOW_TRACKING_USERNAME" in caplog.text


def test_a_changed_password_is_taken_over(server: str, login: Login) -> None:
    changed = {**SECRETS, "MLFLOW_READER_PASSWORD": "another-secret-2", "MLFLOW_TRACKING_URI": server}
    client = login("reader")
    try:
        mlflow_init.provision(changed)
        with pytest.raises(MlflowException, match="401"):
            client.get_registered_model(NAMES.model)
    finally:
        mlflow_init.provision({**SECRETS, "MLFLOW_TRACKING_URI": server})
    assert client.get_registered_model(NAMES.model)


def test_the_page_asks_for_the_alias(
    login: Login, version: str, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = login("pipelines")

    def told(password: str) -> int | None:
        who = {"MLFLOW_TRACKING_USERNAME": "pipelines", "MLFLOW_TRACKING_PASSWORD": password}
        return aliased(load_settings({"MLFLOW_TRACKING_URI": server, **who}))

    client.set_registered_model_alias(NAMES.model, "staging", version)
    assert told(SECRETS["MLFLOW_PIPELINES_PASSWORD"]) == int(version)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRETS["MLFLOW_ADMIN_PASSWORD"])
    client.delete_registered_model_alias(NAMES.model, "staging")
    assert told(SECRETS["MLFLOW_PIPELINES_PASSWORD"]) == 0
    assert told("wrong") is None
    assert aliased(load_settings({"MLFLOW_TRACKING_URI": "http://127.0.0.1:1"})) is None


def test_the_command_that_the_pages_show(server: str) -> None:
    environ = {"PATH": os.defpath, **SECRETS, "MLFLOW_TRACKING_URI": server}
    command = [sys.executable, "-m", "deploy.mlflow_init"]
    done = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_wrong_is_said(server: str) -> None:
    with pytest.raises(ConfigError, match=r"MLFLOW_ADMIN_PASSWORD.* not set: `make env`"):
        mlflow_init.provision({})
    with pytest.raises(RegistryError, match="MLflow refused its administrator"):
        mlflow_init.provision(
            {**SECRETS, "MLFLOW_ADMIN_PASSWORD": "wrong-secret-9", "MLFLOW_TRACKING_URI": server}
        )
    with pytest.raises(RegistryError, match="no answer from MLflow"):
        mlflow_init.provision({**SECRETS, "MLFLOW_TRACKING_URI": "http://127.0.0.1:1"})
