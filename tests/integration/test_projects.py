"""Two projects in one bucket: neither sees the other's objects, ledger, model or experiments."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from iris_core import monitoring, promotion, scoring, training
from iris_core.errors import NothingOwed
from iris_core.ledger.owed import unaccounted
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.objects import RejectedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.source import Source
from iris_core.ledger.workspace import Workspace
from iris_core.models import registry, tracking
from iris_core.settings.project_files import load_project, shipped_file
from tests.conftest import MakeWorkspace
from tests.loop import score_owed

pytestmark = pytest.mark.integration

PENGUINS: dict[str, Any] = {
    "name": "penguins",
    "default_team": "team_a",
    "table": {
        "features": [
            {"name": "bill", "min": 20.0, "max": 70.0},
            {"name": "flipper", "min": 150.0, "max": 250.0},
        ],
        "target": "species",
        "classes": ["adelie", "gentoo"],
    },
}
KEPT = ("ledger", "audit", "quarantine", "profiles", "work", "rejects", "manifests")


def penguins_csv(seed: int, rows: int = 60, labelled: bool = True) -> bytes:
    seeded = random.Random(seed)
    lines = ["id,bill,flipper" + (",species" if labelled else "")]
    for number in range(rows):
        name, bill, flipper = (("adelie", 39, 190), ("gentoo", 47, 217))[number % 2]
        row = f"{number},{seeded.gauss(bill, 2):.2f},{seeded.gauss(flipper, 5):.2f}"
        lines.append(f"{row},{name}" if labelled else row)
    return ("\n".join(lines) + "\n").encode()


@pytest.fixture
def both(mlflow_db: object, make_workspace: MakeWorkspace, tmp_path: Path) -> tuple[Workspace, Workspace]:
    """Iris, the default project, and penguins, in the bucket of one team."""
    folder = tmp_path / "mine"
    (folder / "projects").mkdir(parents=True)
    (folder / "project.json").write_text(shipped_file().read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "projects" / "penguins.json").write_text(json.dumps(PENGUINS), encoding="utf-8")
    named = {"IRIS_PROJECT_FILE": str(folder)}
    iris = make_workspace(**named)
    same = {"TEAM": iris.settings.team, "TEAM__PENGUINS": iris.settings.team}
    return iris, make_workspace(**named, **same, IRIS_PROJECT="penguins")


def put(workspace: Workspace, key: str, data: bytes) -> None:
    workspace.store.put(workspace.settings.bucket, key, data, "text/csv")


def train_and_stage(workspace: Workspace) -> None:
    work = training.train(workspace, training.validate(workspace, training.reconcile_training(workspace)))
    promotion.register_step(workspace, work.identity)


def score_and_report(workspace: Workspace) -> None:
    score_owed(workspace)
    reports = [monitoring.report(workspace, one) for one in monitoring.plan_reports(workspace)]
    monitoring.conclude(workspace, reports)


def sections(workspace: Workspace) -> set[str]:
    """What comes after the first part of the keys that the pipelines keep."""
    parts = [key.split("/") for key in workspace.store.keys(workspace.settings.bucket, "")]
    return {part[1] for part in parts if part[0] in KEPT}


def test_the_whole_loop_of_each_beside_the_other(
    both: tuple[Workspace, Workspace], train_csv: bytes, test_csv: bytes
) -> None:
    iris, penguins = both
    assert iris.settings.bucket == penguins.settings.bucket
    put(iris, iris.settings.train_key, train_csv)
    put(iris, iris.settings.test_key, test_csv)
    with pytest.raises(NothingOwed):
        training.reconcile_training(penguins)
    train_and_stage(iris)
    with pytest.raises(NothingOwed):
        scoring.plan(penguins)
    put(penguins, penguins.settings.train_key, penguins_csv(1))
    put(penguins, penguins.settings.test_key, penguins_csv(2, labelled=False))
    train_and_stage(penguins)
    for workspace in both:
        score_and_report(workspace)
        [trained] = workspace.ledger.recent_of(TrainedRecord)
        [scored] = workspace.ledger.recent_of(ScoredRecord)
        [drifted] = workspace.ledger.recent_of(BatchDriftRecord)
        project = workspace.settings.project.name
        assert trained.about
        assert trained.about.key == f"{project}/{project}_train.csv"
        assert scored.about
        assert scored.about.key == f"{project}/{project}_test.csv"
        assert scored.model
        assert scored.model.name == workspace.settings.names.model
        assert drifted.report.startswith(f"s3://{workspace.settings.bucket}/{project}/drift/")
    assert sections(iris) == {"dev", "dev-penguins"}
    for workspace in both:
        for step in (training.reconcile_training, scoring.plan):
            with pytest.raises(NothingOwed):
                step(workspace)
        for kind, key in (
            ("training", "train_key"),
            ("scoring", "test_key"),
            ("performance", "labels_prefix"),
        ):
            source = Source(workspace.settings.bucket, getattr(workspace.settings, key))
            assert not list(unaccounted(workspace.store, workspace.ledger, kind, source))  # type: ignore[arg-type]


def test_models_and_experiments_are_apart(both: tuple[Workspace, Workspace], train_csv: bytes) -> None:
    iris, penguins = both
    put(iris, iris.settings.train_key, train_csv)
    put(penguins, penguins.settings.train_key, penguins_csv(1))
    for workspace in both:
        train_and_stage(workspace)
        client = tracking.client(workspace.settings)
        versions = client.search_model_versions(f"name = '{workspace.settings.names.model}'")
        assert [str(version.version) for version in versions] == ["1"]
        assert registry.find(client, workspace.settings.names.model, 1)
        found = client.get_experiment_by_name(workspace.settings.names.training_experiment)
        assert found
        assert len(client.search_runs([found.experiment_id])) == 1


def test_a_refused_table_of_one_says_nothing_of_the_other(
    both: tuple[Workspace, Workspace], train_csv: bytes
) -> None:
    iris, penguins = both
    put(penguins, penguins.settings.train_key, train_csv)
    with pytest.raises(Exception, match="bill"):
        training.validate(penguins, training.reconcile_training(penguins))
    [refused] = penguins.ledger.recent("training")
    assert isinstance(refused, RejectedRecord)
    assert "quarantine/dev-penguins/" in refused.model_dump_json()
    assert not list(iris.ledger.recent("training"))
    assert sections(iris) == {"dev-penguins"}
    with pytest.raises(NothingOwed):
        training.reconcile_training(iris)


def test_a_project_that_is_alone_keeps_the_keys_it_had(workspace: Workspace) -> None:
    assert load_project().name == "iris"
    put(workspace, workspace.settings.train_key, b"nothing\n1\n")
    with pytest.raises(Exception, match="column"):
        training.validate(workspace, training.reconcile_training(workspace))
    assert sections(workspace) == {"dev"}
