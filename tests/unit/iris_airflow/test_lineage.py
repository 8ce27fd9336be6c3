"""Airflow's hook lineage gets what tasks read and write; OpenLineage's provider makes datasets of it."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.openlineage.utils.utils import translate_airflow_asset
from airflow.sdk import Asset
from airflow.sdk.lineage import HookLineageCollector

from iris_airflow import lineage
from iris_airflow.assets import assets
from iris_airflow.lineage import readers, telling
from iris_core.history.datasets import Dataset
from iris_core.history.lineage import Step, Touched
from iris_core.settings.variables import load_settings

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
DATA = Dataset("s3://a-bucket", "in/x y.csv", "v1", "s3://a-bucket/in/x y.csv?versionId=v1")
MODEL = Dataset("mlflow://host:5000", "a_model", "3", "models:/a_model/3", "MODEL")


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> HookLineageCollector:
    """Airflow's collector, as it is where OpenLineage is configured."""
    found = HookLineageCollector()
    monkeypatch.setattr(lineage, "is_collected", lambda: True)
    monkeypatch.setattr("airflow.sdk.lineage.get_hook_lineage_collector", lambda: found)
    return found


def told_by(collector: HookLineageCollector) -> tuple[list[Any], list[Any]]:
    """Inputs and outputs, as OpenLineage's provider makes datasets of them."""
    collected = collector.collected_assets
    return (
        [translate_airflow_asset(one.asset, one.context) for one in collected.inputs],
        [translate_airflow_asset(one.asset, one.context) for one in collected.outputs],
    )


def step(*_: Any) -> str:
    return "result"


def test_a_task_tells_exact_versions_with_facets(
    collector: HookLineageCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = {"assertion": "missing", "success": False, "column": "a", "expected": "a number"}
    given = DATA.knowing(rows=7, size=90, fields=[{"name": "a", "type": "number"}], checks=[failed])
    made = MODEL.knowing(
        metrics={"accuracy": 0.9},
        decision={"record": "promotion/x", "outcome": "promoted"},
        same_as={"namespace": MODEL.namespace, "name": "m-1"},
    )

    def reader(ended: Step) -> Iterator[Touched]:
        assert (ended.args, ended.result) == (("an argument",), "result")
        yield from [Touched(given), Touched(given), Touched(made, is_output=True)]

    monkeypatch.setattr(lineage, "readers", lambda: {step: reader})
    with telling(Any, step, ("an argument",)) as tell:  # type: ignore[arg-type]  # no reader here uses it
        assert tell(step("an argument")) == "result"
    [data], [model] = told_by(collector)
    assert (data.namespace, data.name) == ("s3://a-bucket", "in/x y.csv")
    assert data.facets["version"].datasetVersion == "v1"
    assert data.facets["dataSource"].uri == DATA.uri
    assert [(one.name, one.type) for one in data.facets["schema"].fields] == [("a", "number")]
    counted, [check] = (
        data.inputFacets["dataQualityMetrics"],
        data.inputFacets["dataQualityAssertions"].assertions,
    )
    assert (counted.rowCount, counted.bytes) == (7, 90)
    assert (check.assertion, check.success, check.column) == ("missing", False, "a")
    assert (model.namespace, model.name) == ("mlflow://host:5000", "a_model")
    assert model.facets["version"].datasetVersion == "3"
    assert model.facets["datasetType"].datasetType == "MODEL"
    assert model.facets["iris_metrics"].accuracy == 0.9
    assert model.facets["iris_decision"].outcome == "promoted"
    assert model.facets["symlinks"].identifiers[0].name == "m-1"


def test_a_failed_task_tells_what_it_read(
    collector: HookLineageCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineage, "readers", lambda: {step: lambda ended: iter([Touched(DATA)])})
    with pytest.raises(ZeroDivisionError), telling(Any, step, ()):  # type: ignore[arg-type]
        raise ZeroDivisionError
    [data], outputs = told_by(collector)
    assert (data.name, outputs) == (DATA.name, [])


def test_lineage_that_cannot_be_told_fails_no_task(
    collector: HookLineageCollector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(ended: Step) -> Iterator[Touched]:
        raise RuntimeError("the store is gone")
        yield

    monkeypatch.setattr(lineage, "readers", lambda: {step: broken})
    with telling(Any, step, ()) as tell:  # type: ignore[arg-type]
        assert tell("result") == "result"
    assert "Cannot tell what step reads and writes" in caplog.text
    assert told_by(collector) == ([], [])


def test_assets_of_the_dags_become_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://tracking.example.org:5000/path")
    made = assets(load_settings({}))
    declared = (made.training_data, made.retrain_request, made.staged_model)
    found: list[Any] = [translate_airflow_asset(asset, None) for asset in declared]
    assert [(one.namespace, one.name) for one in found] == [
        ("s3://team-a-bucket", "iris/iris_train.csv"),
        ("iris", "team_a_dev_iris_model/retrain_request"),
        ("mlflow://tracking.example.org:5000", "team_a_dev_iris_model"),
    ]


def test_an_asset_of_somebody_else_is_left_alone() -> None:
    assert translate_airflow_asset(Asset("x-other://place"), None) is None


def test_every_function_that_a_task_calls_has_a_reader() -> None:
    known = {function.__name__ for function in readers()}
    sources = [*(ROOT / "dags").glob("*.py"), *(ROOT / "plugins/iris_airflow/operators").glob("*.py")]
    called = {name for source in sources for name in steps_in(source)}
    assert called == known


def steps_in(source: Path) -> Iterator[str]:
    """Names of the core functions that are given to `run_step` and `run_portion`."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in (
            "run_step",
            "run_portion",
        ):
            yield ast.unparse(node.args[1]).rpartition(".")[2]


def test_the_entry_point_gives_what_airflows_schema_allows() -> None:
    import airflow
    import jsonschema

    [entry] = [one for one in entry_points(group="apache_airflow_provider") if "iris_airflow" in one.value]
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    info = entry.load()()
    jsonschema.validate(info, schema)
    assert entry.dist is not None
    assert entry.dist.name == info["package-name"]
