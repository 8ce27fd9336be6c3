"""The generic operators, with a real MLflow server, the embedded store and Evidently; their example DAG."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import pytest
from airflow.sdk import Asset

import iris_provider_minio
from iris_core.store.objects import ObjectStore
from iris_provider_minio.operators.evidently import EvidentlyDriftReportOperator, TableUnusable
from iris_provider_minio.operators.mlflow import TASK_TAG, MlflowRegisterModelOperator, NotRegistered
from tests.dags.conftest import told
from tests.integration.provider.conftest import BUCKET, migrated, reached

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
EXAMPLE = Path(iris_provider_minio.__file__).parent / "example_dags" / "register_and_compare.py"
RUN = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.models.xcom import XComModel
from airflow.settings import Session

dag = DagBag(dag_folder=sys.argv[1]).dags["register_and_compare"]
run = dag.test(run_conf={"model_uri": sys.argv[2]})
found = Session().query(XComModel).filter_by(run_id=run.run_id, key="return_value")
print("RAN", json.dumps([str(run.state), {one.task_id: XComModel.deserialize_value(one) for one in found}]))
"""


class Ran:
    """A task's context, and what the task put there."""

    def __init__(self, run_id: str = "r1", outlet: Asset | None = None) -> None:
        self.pushed: dict[str, Any] = {}
        self.event = SimpleNamespace(extra={})
        ti = SimpleNamespace(dag_id="d", run_id=run_id, task_id="t", map_index=-1, xcom_push=self.pushed_as)
        self.context: Any = {"ti": ti, "outlet_events": {outlet: self.event}}

    def pushed_as(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def table(rows: int, shift: float) -> bytes:
    lines = [f"{n % 37 + shift},{('a', 'b', 'c')[n % 3]}" for n in range(rows)]
    return "\n".join(["size,kind", *lines, ""]).encode()


def test_a_model_is_registered_once_in_a_run(server: str, logged: str, connections: dict[str, str]) -> None:
    asset = Asset("flowers")
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri(), os.environ.get("MLFLOW_REGISTRY_URI")
    operator = MlflowRegisterModelOperator(
        task_id="t", model_uri=logged, name="flow'ers", alias="live", tags={"by": "us"}, outlets=[asset]
    )
    ran = Ran(outlet=asset)
    first = operator.execute(ran.context)
    assert first == ran.event.extra
    assert (first["model"], first["version"], first["alias"]) == ("flow'ers", 1, "live")
    assert operator.execute(Ran(outlet=asset).context) == first
    assert operator.execute(Ran("r2", asset).context)["version"] == 2
    now = mlflow.get_tracking_uri(), mlflow.get_registry_uri(), os.environ.get("MLFLOW_REGISTRY_URI")
    assert now == before
    client = mlflow.MlflowClient(server, server)
    assert len(client.search_model_versions('name = "flow\'ers"')) == 2
    assert client.get_model_version_by_alias("flow'ers", "live").version == "2"
    assert client.get_model_version("flow'ers", "1").tags == {"by": "us", TASK_TAG: "d/r1/t/-1"}
    assert ran.pushed == {"_link_MlflowModelVersionLink": f"{server}/#/models/flow'ers/versions/1"}
    with reached(server):
        assert mlflow.sklearn.load_model(first["model_uri"]).classes_.tolist() == ["a", "b"]


def test_a_model_that_nobody_logged_is_refused_with_its_name(connections: dict[str, str]) -> None:
    operator = MlflowRegisterModelOperator(task_id="t", model_uri="runs:/0123/model", name="none")
    with pytest.raises(NotRegistered, match="Registering runs:/0123/model as none"):
        operator.execute(Ran().context)


def test_two_tables_are_compared_and_the_page_is_stored(
    store: ObjectStore, connections: dict[str, str]
) -> None:
    old = store.put(BUCKET, "reference.csv", table(300, 0), "text/csv")
    store.put(BUCKET, "reference.csv", table(300, 99), "text/csv")
    store.put(BUCKET, "today.csv", table(200, 30), "text/csv")
    asset = Asset("reports")
    ran = Ran(outlet=asset)
    found = EvidentlyDriftReportOperator(
        task_id="t",
        current=f"s3://{BUCKET}/today.csv",
        reference=old.uri,
        report=f"s3://{BUCKET}/reports/1/",
        outlets=[asset],
    ).execute(ran.context)
    assert found == ran.event.extra
    assert (found["drifted"], found["columns"], found["share"], found["is_drift"]) == (["size"], 2, 0.5, True)
    before, now = (found["statistics"][side]["size"] for side in ("reference", "current"))
    assert (before["min"], before["max"]) == (0, 36)
    assert (now["min"], now["max"]) == (30, 66)
    assert now["mean"] - before["mean"] == pytest.approx(30, abs=1)
    assert now["std"] == pytest.approx(10.7, abs=0.2)
    assert found["html"] == f"s3://{BUCKET}/reports/1/report.html"
    assert b"size" in store.get(BUCKET, "reports/1/report.html")
    assert json.loads(store.get(BUCKET, "reports/1/report.json"))["metrics"]


@pytest.mark.parametrize(
    ("body", "columns", "said"),
    [
        (b"", None, "cannot be read as a table"),
        (b"size,kind\n", None, "has no rows"),
        (b"other\n1\n", None, "no column in common"),
        (b"size\n1\n", ["size", "kind"], r"Columns \['kind'\] are not in both"),
        (None, None, "NoSuchKey"),
    ],
)
def test_what_is_no_table_is_said(
    store: ObjectStore,
    connections: dict[str, str],
    body: bytes | None,
    columns: list[str] | None,
    said: str,
) -> None:
    store.put(BUCKET, "sound.csv", table(50, 0), "text/csv")
    if body is not None:
        store.put(BUCKET, "bad.csv", body, "text/csv")
    key = "bad.csv" if body is not None else "absent.csv"
    operator = EvidentlyDriftReportOperator(
        task_id="t",
        current=f"s3://{BUCKET}/{key}",
        reference=f"s3://{BUCKET}/sound.csv",
        report=f"s3://{BUCKET}/reports/2",
        columns=columns,
    )
    with pytest.raises(TableUnusable, match=said):
        operator.execute(Ran().context)
    assert not list(store.keys(BUCKET, "reports/2"))


def test_the_example_runs_in_a_real_airflow(
    store: ObjectStore, logged: str, connections: dict[str, str], tmp_path: Path
) -> None:
    for name, shift in (("today", 30), ("reference", 0)):
        store.put(BUCKET, f"{name}.csv", table(200, shift), "text/csv")
    environ = migrated(tmp_path, EXAMPLE, connections)
    state, returned = told(RUN, [str(EXAMPLE.parent), logged], environ, tmp_path, "RAN", 300)
    assert state == "success"
    assert returned["register"]["model_uri"] == "models:/flowers/1"
    assert returned["compare"]["drifted"] == ["size"]
    assert json.loads(store.get(BUCKET, returned["compare"]["json"].split(f"{BUCKET}/", 1)[1]))


def test_the_page_shows_the_example() -> None:
    code = EXAMPLE.read_text(encoding="utf-8").split("\n\n", 1)[1]
    assert code in (ROOT / "docs" / "provider.md").read_text(encoding="utf-8")
