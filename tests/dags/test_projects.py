"""Several projects in one Airflow: each has its DAGs, assets and watchers; a broken one is one error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iris_core.ledger.records.training import TrainedRecord
from iris_core.settings.project_files import load_project, shipped_file
from tests.conftest import MakeWorkspace
from tests.dags.conftest import ROOT, RunDag, environment, told

pytestmark = pytest.mark.dags

PARSE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import Asset

def parts(condition):
    within = getattr(condition, "objects", None)
    return [condition] if within is None else [part for one in within for part in parts(one)]

def described(dag):
    woken_by = parts(dag.schedule.asset_condition)
    outlets = [outlet for task in dag.tasks for outlet in task.outlets]
    return {
        "tasks": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
        "projects": [
            given["project"]
            for task in dag.tasks
            for given in (vars(task), getattr(task, "partial_kwargs", {}))
            if "project" in given
        ],
        "woken_by": sorted(asset.name for asset in woken_by),
        "sends": sorted({outlet.name for outlet in outlets}),
        "assets": {
            asset.name: {
                "uri": asset.uri,
                "group": asset.group,
                "watchers": [watcher.trigger.serialize()[1] for watcher in asset.watchers],
                "streams": [str(watcher.trigger.shared_stream_key()) for watcher in asset.watchers],
            }
            for asset in [*woken_by, *outlets]
            if isinstance(asset, Asset)
        },
    }

bag = DagBag(dag_folder=sys.argv[1])
errors = {path.rpartition("/")[2]: error for path, error in bag.import_errors.items()}
dags = {name: described(dag) for name, dag in bag.dags.items()}
print("PARSED", json.dumps({"errors": errors, "dags": dags}))
"""

IRIS = load_project(shipped_file()).model_dump(mode="json")


def write(file: Path, **changes: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**IRIS, **changes}), encoding="utf-8")


def parse(home: Path, **variables: str) -> dict[str, Any]:
    parsed: dict[str, Any] = told(PARSE, [str(ROOT / "dags")], environment(home, **variables), home, "PARSED")
    return parsed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Iris, penguins in the same bucket, another team's iris, and two projects whose files are broken."""
    folder = tmp_path_factory.mktemp("projects")
    write(folder / "project.json")
    write(folder / "projects" / "penguins.json", name="penguins", settings={"TEAM_S3_TEST_KEY": "birds/"})
    write(folder / "projects" / "theirs.json", default_team="team_b")
    write(folder / "projects" / "wine.json", name="wine", settings={"ACCURACY_THRESHOLD": 2})
    return folder


@pytest.fixture(scope="module")
def parsed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return parse(tmp_path_factory.mktemp("airflow"), IRIS_PROJECT_FILE=str(folder))


PREFIXES = ("team_a_dev_iris", "team_a_dev_penguins", "team_b_dev_iris")
DAGS = ("pipeline", "batch_inference", "drift_pipeline")


def assets_of(parsed: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {
        name: asset for dag in DAGS for name, asset in parsed["dags"][f"{prefix}_{dag}"]["assets"].items()
    }


def test_a_broken_file_is_one_import_error_that_names_file_and_field(
    parsed: dict[str, Any], folder: Path
) -> None:
    [(file, error)] = parsed["errors"].items()
    assert file == "iris_projects.py"
    said = error.strip().splitlines()[-1]
    assert said.startswith(
        f"iris_core.errors.ConfigError: {folder}/projects/wine.json: settings: ACCURACY_THRE"
    )
    assert error.count("wine.json") == 1


def test_every_other_project_has_its_dags(parsed: dict[str, Any]) -> None:
    assert set(parsed["dags"]) == {f"{prefix}_{dag}" for prefix in PREFIXES for dag in DAGS}


@pytest.mark.parametrize("dag", DAGS)
def test_every_project_has_the_same_chain(parsed: dict[str, Any], dag: str) -> None:
    iris, *others = (parsed["dags"][f"{prefix}_{dag}"]["tasks"] for prefix in PREFIXES)
    assert others == [iris, iris]


def test_the_tasks_know_their_project(parsed: dict[str, Any]) -> None:
    for dag in ("pipeline", "drift_pipeline"):
        found = [parsed["dags"][f"{prefix}_{dag}"]["projects"] for prefix in PREFIXES]
        assert found == [["team_a_iris"], ["team_a_penguins"], ["team_b_iris"]]


def test_no_asset_belongs_to_two_projects(parsed: dict[str, Any]) -> None:
    names = [name for prefix in PREFIXES for name in assets_of(parsed, prefix)]
    assert len(names) == len(set(names)) == 21
    uris = [asset["uri"] for prefix in PREFIXES for asset in assets_of(parsed, prefix).values()]
    assert len(set(uris)) == 21


def test_no_project_s_event_wakes_another_one(parsed: dict[str, Any]) -> None:
    for prefix in PREFIXES:
        own = set(assets_of(parsed, prefix))
        for dag in DAGS:
            found = parsed["dags"][f"{prefix}_{dag}"]
            sent = {name.removesuffix("_rest") for name in found["sends"]}
            assert own >= {*found["woken_by"], *sent}


def test_names_and_keys_of_a_further_project(parsed: dict[str, Any]) -> None:
    assets = assets_of(parsed, "team_a_dev_penguins")
    assert {name: asset["uri"] for name, asset in assets.items()} == {
        "team_a_dev_penguins_training_data": "x-minio://team-a-bucket/penguins/penguins_train.csv",
        "team_a_dev_penguins_inference_data": "x-minio://team-a-bucket/birds/",
        "team_a_dev_penguins_staged_model": "x-mlflow://team_a_dev_penguins_model/staging",
        "team_a_dev_penguins_predictions": "x-minio://team-a-bucket/penguins/predictions",
        "team_a_dev_penguins_labels": "x-minio://team-a-bucket/penguins/labels/",
        "team_a_dev_penguins_drift_report": "x-minio://team-a-bucket/penguins/drift",
        "team_a_dev_penguins_retrain_request": "x-iris://team_a_dev_penguins_model/retrain_request",
    }
    assert {asset["group"] for asset in assets.values()} == {"penguins"}
    other_team = assets_of(parsed, "team_b_dev_iris")
    assert other_team["team_b_dev_iris_training_data"]["uri"] == "x-minio://team-b-bucket/iris/iris_train.csv"


def test_watchers_look_into_their_own_ledger(parsed: dict[str, Any]) -> None:
    for prefix, section in zip(PREFIXES, ("dev", "dev-penguins", "dev-iris"), strict=True):
        watchers = [one for asset in assets_of(parsed, prefix).values() for one in asset["watchers"]]
        assert len(watchers) == 4
        assert {watcher["env"] for watcher in watchers} == {section}


def test_watchers_on_one_bucket_share_one_stream(parsed: dict[str, Any]) -> None:
    streams = {
        prefix: {stream for asset in assets_of(parsed, prefix).values() for stream in asset["streams"]}
        - {"None"}
        for prefix in PREFIXES
    }
    assert [len(found) for found in streams.values()] == [1, 1, 1]
    assert streams["team_a_dev_iris"] == streams["team_a_dev_penguins"] != streams["team_b_dev_iris"]


def test_the_default_project_is_as_it_is_alone(parsed: dict[str, Any], tmp_path: Path) -> None:
    alone = parse(tmp_path, IRIS_PROJECT_FILE=str(shipped_file()))
    for dag in DAGS:
        name = f"team_a_dev_iris_{dag}"
        assert alone["dags"][name] == parsed["dags"][name]


def test_what_is_wrong_for_all_is_an_error_of_every_file(folder: Path, tmp_path: Path) -> None:
    found = parse(tmp_path, IRIS_PROJECT_FILE=str(folder), RESCORE__PENGUIN="all")
    assert not found["dags"]
    assert len(found["errors"]) == len(list((ROOT / "dags").glob("*.py")))
    assert all("Was RESCORE__PENGUINS meant?" in error for error in found["errors"].values())


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_further_project_s_dag_runs_with_its_own_settings(
    mlflow_db: object, make_workspace: MakeWorkspace, train_csv: bytes, run_dag: RunDag, tmp_path: Path
) -> None:
    write(tmp_path / "mine" / "project.json")
    write(tmp_path / "mine" / "projects" / "penguins.json", name="penguins")
    here = {"IRIS_PROJECT_FILE": str(tmp_path / "mine")}
    iris = make_workspace(**here)
    bucket = iris.settings.bucket
    own = {**here, "TEAM_S3_BUCKET__PENGUINS": bucket, "ACCURACY_THRESHOLD__PENGUINS": "1"}
    penguins = make_workspace(**own, IRIS_PROJECT="penguins")
    iris.store.put(bucket, penguins.settings.train_key, train_csv, "text/csv")
    [ran] = run_dag(iris, penguins.settings.names.training_dag, **own)
    assert ran["tasks"] == {
        "wait_for_training_data": ["success"],
        "reconcile": ["success"],
        "validate": ["success"],
        "train": ["success"],
        "register": ["skipped"],
    }
    assert not list(iris.ledger.recent_of(TrainedRecord))
    [trained] = penguins.ledger.recent_of(TrainedRecord)
    assert trained.by.dag_id == "team_a_dev_penguins_pipeline"
    keys = list(iris.store.keys(bucket, ""))
    assert sum(key.startswith("audit/dev-penguins/") for key in keys) == len(ran["tasks"])
    assert not [key for key in keys if key.startswith(("audit/dev/", "ledger/dev/", "profiles/dev/"))]
