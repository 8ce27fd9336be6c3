"""Other classifiers than the default, through training, gate, scoring and drift: sqlite MLflow."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from iris_core import models, monitoring, training
from iris_core.errors import ConfigError, ModelRefused
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.scoring.replay import replay
from iris_core.settings.project_files import load_project
from tests.loop import score, train

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Make = Callable[..., Workspace]
FOREST = {"estimator": "sklearn.ensemble.RandomForestClassifier", "parameters": {"n_estimators": 30}}


@pytest.fixture
def of_model(
    mlflow_db: Path, make_workspace: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, Any]], Workspace]:
    """A workspace whose project.json names this model."""

    def make(model: dict[str, Any]) -> Workspace:
        path = tmp_path / "project.json"
        path.write_text(json.dumps({**load_project().model_dump(mode="json"), "model": model}))
        monkeypatch.setenv("IRIS_PROJECT_FILE", str(path))
        return make_workspace()

    return make


@pytest.mark.parametrize(
    "model",
    [
        FOREST,
        {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "parameters": {"max_iter": 20}},
        {"estimator": "sklearn.svm.SVC", "class_weights": "balanced"},
    ],
    ids=lambda model: model["estimator"].rpartition(".")[2],
)
def test_through_all_pipelines(
    of_model: Callable[..., Workspace], model: dict[str, Any], train_csv: bytes, test_csv: bytes
) -> None:
    workspace = of_model(model)
    trained = train(workspace, train_csv)
    assert trained.inputs.config.estimator == model["estimator"]
    assert models.staged(workspace.settings) is not None, "the gate did not stage it"
    scored = score(workspace, test_csv)
    assert (scored.evidence.rows, scored.evidence.rejected) == (30, 0)
    assert replay(workspace, scored.identity.path).same
    [owed] = monitoring.plan_reports(workspace)
    monitoring.report(workspace, owed)
    assert next(workspace.ledger.recent_of(BatchDriftRecord)).outcome == "none"


def test_a_search_has_a_run_for_each_try(of_model: Callable[..., Workspace], train_csv: bytes) -> None:
    tree = {"estimator": "sklearn.tree.DecisionTreeClassifier", "search": {"max_depth": [1, 3]}}
    workspace = of_model(tree)
    trained = train(workspace, train_csv)
    assert [tried.parameters for tried in trained.evidence.search] == [{"max_depth": 3}, {"max_depth": 1}]
    client = tracking.client(workspace.settings)
    parent = client.get_run(trained.run_id)
    assert parent.data.params["max_depth"] == "3", "the chosen value is on the training's own run"
    experiment = parent.info.experiment_id
    below = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{trained.run_id}'")
    found = {run.data.params["max_depth"]: run.data.metrics["accuracy"] for run in below}
    assert found == {
        str(tried.parameters["max_depth"]): pytest.approx(tried.score) for tried in trained.evidence.search
    }
    assert {run.info.status for run in below} == {"FINISHED"}


def test_trees_are_loaded_only_where_our_training_wrote_them(
    of_model: Callable[..., Workspace], train_csv: bytes, test_csv: bytes
) -> None:
    """Another's forest, under the name of our training, is refused: its files have another digest."""
    workspace = of_model(FOREST)
    trained = train(workspace, train_csv)
    staged = models.staged(workspace.settings)
    assert staged is not None
    with models.loaded(workspace.settings, workspace.ledger, staged) as ours:
        forest = ours.estimator
    client = tracking.client(workspace.settings)
    experiment = tracking.ensure_experiment(client, "by-hand")
    with mlflow.start_run(experiment_id=experiment), warnings.catch_warnings(action="ignore"):
        info = mlflow.sklearn.log_model(
            forest,
            name="model",
            serialization_format="skops",
            skops_trusted_types=["sklearn.tree._tree.Tree"],
            pip_requirements=["scikit-learn"],
        )
        version = mlflow.register_model(info.model_uri, staged.name)
    for key, value in client.get_model_version(staged.name, str(staged.version)).tags.items():
        client.set_model_version_tag(staged.name, version.version, key, value)
    client.set_registered_model_alias(staged.name, "staging", version.version)
    theirs = models.staged(workspace.settings)
    assert theirs is not None
    assert (theirs.training, theirs.version) == (trained.identity.path, 2)
    with (
        pytest.raises(ModelRefused, match=r"holds types .* 'sklearn\.tree\._tree\.Tree'"),
        models.loaded(workspace.settings, workspace.ledger, theirs),
    ):
        pass


def test_a_model_that_cannot_be_trained_costs_no_try(
    of_model: Callable[..., Workspace], train_csv: bytes
) -> None:
    workspace = of_model(
        {"estimator": "sklearn.ensemble.StackingClassifier", "parameters": {"estimators": []}}
    )
    for _ in range(4):
        with pytest.raises(ConfigError, match=r"StackingClassifier cannot be trained: ValueError"):
            train(workspace, train_csv)
    assert list(workspace.ledger.recent("training")) == []
    assert workspace.ledger.tries(training.reconcile_training(workspace).identity) == 0
