"""The DAG files, parsed as Airflow parses them, in a process of its own with a fresh AIRFLOW_HOME."""

from __future__ import annotations

import ast
import json
import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from iris_core.settings.project_files import load_project
from tests.dags.conftest import environment, told

pytestmark = pytest.mark.dags

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / load_project().dag_directory).glob("*.py"))
HEAVY = (
    *("pandas", "polars", "sklearn", "mlflow", "evidently", "boto3", "botocore", "obstore"),
    *("confluent_kafka", "airflow.providers.common.messaging", "airflow.providers.apache.kafka.hooks"),
)
MOST_LINES = 120
MOST_STATEMENTS = 3

DESCRIBE = """
import importlib.util, json, os, sys

sys.dont_write_bytecode = True
from airflow.sdk import Asset
from airflow.sdk.definitions._internal.contextmanager import DagContext

def loaded(number, path, heavy):
    name = f"dag_file_{number}"
    spec = importlib.util.spec_from_file_location(name, path)
    DagContext.current_autoregister_module_name = name
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return [name for name in heavy if name in sys.modules]

def parts(condition):
    within = getattr(condition, "objects", None)
    return [condition] if within is None else [part for one in within for part in parts(one)]

def names(condition):
    return sorted(asset.name for asset in parts(condition))

def described(dag):
    timetable, served = dag.schedule, served_by_the_api_server(dag)
    return {
        "schedule": type(timetable).__name__,
        "cron": timetable.timetable.expression,
        "timezone": str(timetable.timetable.timezone),
        "woken_by": names(timetable.asset_condition),
        "condition": type(timetable.asset_condition).__name__,
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "doc_md": dag.doc_md,
        "tags": sorted(dag.tags),
        "order": [task.task_id for task in dag.topological_sort()],
        "tasks": {
            task.task_id: {
                "type": task.task_type,
                "downstream": sorted(task.downstream_task_ids),
                "outlets": [asset.name for asset in task.outlets],
                "retries": task.retries,
                "mapped": task.is_mapped,
                "trigger_rule": task.trigger_rule,
                "exclusive": task.max_active_tis_per_dag,
                "timeout_s": task.execution_timeout and task.execution_timeout.total_seconds(),
                "links": sorted(served.task_dict[task.task_id].extra_links),
            }
            for task in dag.tasks
        },
    }

def served_by_the_api_server(dag):
    from airflow.serialization.serialized_objects import DagSerialization
    restored = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
    assert restored.dag_id == dag.dag_id
    assert set(restored.task_dict) == set(dag.task_dict)
    return restored

def described_assets(dags):
    return {
        asset.name: {
            "uri": asset.uri,
            "group": asset.group,
            "watchers": [watcher.trigger.serialize() for watcher in asset.watchers],
        }
        for dag in dags
        for asset in [
            *parts(dag.schedule.asset_condition),
            *(outlet for task in dag.tasks for outlet in task.outlets),
        ]
        if isinstance(asset, Asset)
    }

def parsed(variables, heavy, files):
    os.environ.update(variables)
    found = {path: loaded(number, path, heavy) for number, path in enumerate(files)}
    dags = [dag for dag, _ in DagContext.autoregistered_dags]
    DagContext.autoregistered_dags.clear()
    return {
        "heavy": found,
        "dags": {dag.dag_id: described(dag) for dag in dags},
        "assets": described_assets(dags),
    }

heavy, teams = map(json.loads, sys.argv[1:3])
print("DESCRIBED", json.dumps([parsed(variables, heavy, sys.argv[3:]) for variables in teams]))
"""

WAITING = """
import json, runpy, sys
from airflow.sdk.definitions._internal.contextmanager import DagContext

for path in sys.argv[1:]:
    DagContext.current_autoregister_module_name = path
    runpy.run_path(path, run_name=path)
waiting = [dag.roots[0] for dag, _ in DagContext.autoregistered_dags]
print("WAITING", json.dumps({task.task_id: [task.bucket_key, task.wildcard_match] for task in waiting}))
"""

PROMISED = """
import json, runpy, sys
from airflow.sdk.definitions._internal.contextmanager import DagContext

DagContext.current_autoregister_module_name = "promised"
runpy.run_path(sys.argv[1], run_name="promised")
print("PROMISED", json.dumps({
    dag.dag_id: {
        "cron": dag.schedule.expression,
        "catchup": dag.catchup,
        "runs": dag.max_active_runs,
        "tasks": {
            task.task_id: {
                "retries": task.retries,
                "timeout_s": task.execution_timeout.total_seconds(),
            }
            for task in dag.tasks
        },
    }
    for dag, _ in DagContext.autoregistered_dags
}))
"""

TEAMS = [("team_a", "dev"), ("team_b", "prod")]
TOPICS = {"team_a": "", "team_b": "minio-events"}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    """What the files define for each team: its environment is all that differs."""
    home = tmp_path_factory.mktemp("airflow")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "TEAM", "MLFLOW"))
    }
    environ = kept | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    teams = [
        {"TEAM": team, "PLATFORM_ENV": platform_env, "KAFKA_TOPIC": TOPICS[team]}
        for team, platform_env in TEAMS
    ]
    arguments = [json.dumps(HEAVY), json.dumps(teams), *map(str, FILES)]
    return dict(zip(TEAMS, told(DESCRIBE, arguments, environ, home, "DESCRIBED"), strict=True))


@pytest.fixture(scope="module", params=TEAMS, ids="-".join)
def team(request: pytest.FixtureRequest) -> tuple[str, str]:
    pair: tuple[str, str] = request.param
    return pair


@pytest.fixture(scope="module")
def parsed(team: tuple[str, str], described: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    return described[team]


@pytest.fixture(scope="module")
def prefix(team: tuple[str, str]) -> str:
    return "_".join(team)


def test_there_are_files_for_the_three_dags_for_broken_projects_and_for_promises() -> None:
    assert [file.name for file in FILES] == [
        "iris_batch_inferencing.py",
        "iris_drift_pipeline.py",
        "iris_pipeline.py",
        "iris_projects.py",
        "iris_promised_times.py",
    ]


class TestParsed:
    def test_nothing_heavy_is_imported(self, parsed: dict[str, Any]) -> None:
        assert parsed["heavy"] == {str(file): [] for file in FILES}

    def test_ids(self, parsed: dict[str, Any], prefix: str) -> None:
        assert set(parsed["dags"]) == {
            f"{prefix}_iris_pipeline",
            f"{prefix}_iris_batch_inference",
            f"{prefix}_iris_drift_pipeline",
        }

    def test_schedule(self, parsed: dict[str, Any], prefix: str) -> None:
        expected = {
            "iris_pipeline": ["retrain_request", "training_data"],
            "iris_batch_inference": ["inference_data", "staged_model"],
            "iris_drift_pipeline": ["labels", "predictions"],
        }
        for name, assets in expected.items():
            dag = parsed["dags"][f"{prefix}_{name}"]
            assert dag["schedule"] == "AssetOrTimeSchedule"
            assert (dag["cron"], dag["timezone"]) == ("0 0 * * *", "UTC")
            assert dag["woken_by"] == [f"{prefix}_{asset}" for asset in assets]
            assert dag["condition"] in ("Asset", "AssetAny")
            assert dag["catchup"] is False

    def test_events_are_never_lost_to_a_single_run(self, parsed: dict[str, Any]) -> None:
        """With max_active_runs=1, Airflow 3.3 loses asset events that arrive during a run."""
        assert all(dag["max_active_runs"] > 1 for dag in parsed["dags"].values())

    def test_documentation_and_tags(self, parsed: dict[str, Any]) -> None:
        for dag in parsed["dags"].values():
            assert dag["doc_md"].strip().startswith("###")
            assert dag["doc_md"].strip().endswith("(/iris/team_a_iris)")
            assert set(load_project().tags) < set(dag["tags"])

    def test_links(self, parsed: dict[str, Any]) -> None:
        found = {
            name: task["links"] for dag in parsed["dags"].values() for name, task in dag["tasks"].items()
        }
        assert {name: links for name, links in found.items() if links} == {
            "register": ["Evidence", "Model version"],
            "publish": ["Manifest", "Predictions"],
            "report": ["Evidently report", "Statistics"],
        }

    def test_every_task_outlasts_an_outage(self, parsed: dict[str, Any]) -> None:
        for dag in parsed["dags"].values():
            assert {task["retries"] for task in dag["tasks"].values()} == {6}

    def test_the_first_task_waits_for_its_data(self, parsed: dict[str, Any]) -> None:
        for dag in parsed["dags"].values():
            first = dag["tasks"][dag["order"][0]]
            assert first["type"] == "S3KeySensor"
            others = [task for name, task in dag["tasks"].items() if name != dag["order"][0]]
            assert dag["order"][0] not in {name for task in others for name in task["downstream"]}
            assert first["downstream"]


def chain(parsed: dict[str, Any], dag_id: str) -> dict[str, list[str]]:
    return {name: task["downstream"] for name, task in parsed["dags"][dag_id]["tasks"].items()}


def outlets(parsed: dict[str, Any], dag_id: str) -> dict[str, list[str]]:
    tasks = parsed["dags"][dag_id]["tasks"]
    return {name: task["outlets"] for name, task in tasks.items() if task["outlets"]}


def test_places_with_brackets_are_waited_for(tmp_path: Path) -> None:
    environ = environment(tmp_path, TEAM_S3_TEST_KEY="in[1]/", TEAM_PREDICTIONS_PREFIX="out[*]")
    files = [str(ROOT / f"dags/{name}.py") for name in ("iris_batch_inferencing", "iris_drift_pipeline")]
    waiting = told(WAITING, files, environ, tmp_path, "WAITING")
    for task, key in (("wait_for_inference_data", "in[1]/a.csv"), ("wait_for_predictions", "out[*]/a.csv")):
        pattern, is_pattern = waiting[task]
        assert is_pattern
        assert fnmatchcase(key, pattern)


def test_a_promise_has_a_dag_of_its_own_that_needs_no_event(tmp_path: Path) -> None:
    environ = environment(tmp_path, VERDICT_WITHIN="15m")
    promised = told(PROMISED, [str(ROOT / "dags/iris_promised_times.py")], environ, tmp_path, "PROMISED")
    assert promised == {
        "team_a_dev_iris_promised_times": {
            "cron": "* * * * *",
            "catchup": False,
            "runs": 1,
            "tasks": {"late": {"retries": 0, "timeout_s": 300}},
        }
    }


class TestTraining:
    def test_tasks_and_edges(self, parsed: dict[str, Any], prefix: str) -> None:
        assert chain(parsed, f"{prefix}_iris_pipeline") == {
            "wait_for_training_data": ["reconcile"],
            "reconcile": ["validate"],
            "validate": ["train"],
            "train": ["register"],
            "register": [],
        }

    def test_outlet(self, parsed: dict[str, Any], prefix: str) -> None:
        assert outlets(parsed, f"{prefix}_iris_pipeline") == {"register": [f"{prefix}_staged_model"]}

    def test_registration(self, parsed: dict[str, Any], prefix: str) -> None:
        tasks = parsed["dags"][f"{prefix}_iris_pipeline"]["tasks"]
        assert tasks["register"]["type"] == "MlflowRegisterModelOperator"
        assert tasks["register"]["exclusive"] == tasks["train"]["exclusive"] == 1
        assert tasks["register"]["trigger_rule"] == "all_success"


class TestInference:
    def test_tasks_and_edges(self, parsed: dict[str, Any], prefix: str) -> None:
        assert chain(parsed, f"{prefix}_iris_batch_inference") == {
            "wait_for_inference_data": ["plan"],
            "plan": ["score"],
            "score": ["publish"],
            "publish": [],
        }

    def test_outlet(self, parsed: dict[str, Any], prefix: str) -> None:
        assert outlets(parsed, f"{prefix}_iris_batch_inference") == {
            "publish": [f"{prefix}_predictions", f"{prefix}_inference_data_rest"]
        }

    def test_one_bad_object_does_not_hold_the_others(self, parsed: dict[str, Any], prefix: str) -> None:
        tasks = parsed["dags"][f"{prefix}_iris_batch_inference"]["tasks"]
        assert tasks["score"]["mapped"]
        assert tasks["publish"]["trigger_rule"] == "all_done_min_one_success"


class TestDrift:
    def test_tasks_and_edges(self, parsed: dict[str, Any], prefix: str) -> None:
        assert chain(parsed, f"{prefix}_iris_drift_pipeline") == {
            "wait_for_predictions": ["join_labels", "unreported"],
            "join_labels": ["alert", "outcome", "request_retraining"],
            "unreported": ["report"],
            "report": ["outcome", "verdict"],
            "verdict": ["alert", "outcome", "request_retraining"],
            "alert": ["outcome"],
            "request_retraining": ["outcome"],
            "outcome": [],
        }

    def test_outlet(self, parsed: dict[str, Any], prefix: str) -> None:
        assert outlets(parsed, f"{prefix}_iris_drift_pipeline") == {
            "join_labels": [f"{prefix}_drift_report"],
            "verdict": [f"{prefix}_drift_report", f"{prefix}_predictions_rest"],
            "request_retraining": [f"{prefix}_retrain_request"],
        }

    def test_what_is_owed_is_looked_for_in_every_run_but_never_hides_a_failure(
        self, parsed: dict[str, Any], prefix: str
    ) -> None:
        """The leaves decide a run's state; `outcome` fails where those before it look away."""
        tasks = parsed["dags"][f"{prefix}_iris_drift_pipeline"]["tasks"]
        for name in ("alert", "request_retraining"):
            assert tasks[name]["trigger_rule"] == "all_done"
            assert tasks[name]["exclusive"] == 1
        assert tasks["outcome"]["type"] == "EmptyOperator"
        assert tasks["outcome"]["trigger_rule"] == "none_failed"

    def test_nothing_holds_the_alerts_for_ever(self, parsed: dict[str, Any], prefix: str) -> None:
        tasks = parsed["dags"][f"{prefix}_iris_drift_pipeline"]["tasks"]
        for name in ("join_labels", "report"):
            assert 0 < tasks[name]["timeout_s"] <= 7200

    def test_report(self, parsed: dict[str, Any], prefix: str) -> None:
        tasks = parsed["dags"][f"{prefix}_iris_drift_pipeline"]["tasks"]
        assert tasks["report"]["type"] == "EvidentlyDriftReportOperator"
        assert tasks["report"]["mapped"]


class TestAssets:
    def test_names_and_places(self, parsed: dict[str, Any], prefix: str, team: tuple[str, str]) -> None:
        bucket = f"{team[0].replace('_', '-')}-bucket"
        assert {name: asset["uri"] for name, asset in parsed["assets"].items()} == {
            f"{prefix}_training_data": f"x-minio://{bucket}/iris/iris_train.csv",
            f"{prefix}_inference_data": f"x-minio://{bucket}/iris/iris_test.csv",
            f"{prefix}_staged_model": f"x-mlflow://{prefix}_iris_model/staging",
            f"{prefix}_predictions": f"x-minio://{bucket}/iris/predictions",
            f"{prefix}_labels": f"x-minio://{bucket}/iris/labels/",
            f"{prefix}_drift_report": f"x-minio://{bucket}/iris/drift",
            f"{prefix}_retrain_request": f"x-iris://{prefix}_iris_model/retrain_request",
        }
        assert {asset["group"] for asset in parsed["assets"].values()} == {"iris"}

    def test_watchers(self, parsed: dict[str, Any], prefix: str, team: tuple[str, str]) -> None:
        found = {name: asset["watchers"] for name, asset in parsed["assets"].items() if asset["watchers"]}
        assert set(found) == {
            f"{prefix}_{name}" for name in ("training_data", "inference_data", "labels", "staged_model")
        }
        for name, kind, key in (
            ("training_data", "training", "iris/iris_train.csv"),
            ("inference_data", "scoring", "iris/iris_test.csv"),
            ("labels", "performance", "iris/labels/"),
        ):
            [path, arguments], *others = found[f"{prefix}_{name}"]
            assert path == "iris_airflow.triggers.minio.MinioObjectTrigger"
            kafka = ["iris_airflow.triggers.kafka.KafkaObjectTrigger"] if TOPICS[team[0]] else []
            assert [other for other, _ in others] == kafka
            given = {name: arguments[name] for name in ("bucket", "key", "kind", "env")}
            bucket = f"{team[0].replace('_', '-')}-bucket"
            assert given == {"bucket": bucket, "key": key, "kind": kind, "env": team[1]}
        [[path, arguments]] = found[f"{prefix}_staged_model"]
        assert path == "iris_airflow.triggers.mlflow_alias.MlflowAliasTrigger"
        assert (arguments["model"], arguments["env"]) == (f"{prefix}_iris_model", team[1])


def functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """The functions that become tasks."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(
            "task" in ast.unparse(decorator).split("(")[0].split(".") for decorator in node.decorator_list
        )
    ]


@pytest.mark.parametrize("file", FILES[:3], ids=lambda file: file.name)
class TestFiles:
    def test_is_short(self, file: Path) -> None:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= MOST_LINES

    def test_tasks_call_one_function(self, file: Path) -> None:
        found = functions(ast.parse(file.read_text(encoding="utf-8")))
        assert found
        for function in found:
            assert len(function.body) <= MOST_STATEMENTS, function.name

    def test_the_docstring_is_the_documentation(self, file: Path) -> None:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree)
        assert "doc_md=__doc__" in ast.unparse(tree)
