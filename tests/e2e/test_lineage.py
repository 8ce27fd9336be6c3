"""What a real Airflow tells OpenLineage: from a drift verdict back to the training data, by events alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from devstack.home import Home
from devstack.iris_tables import split_iris
from devstack.stack import Stack
from iris_core.doctor.airflow_api import AirflowApi
from iris_core.ledger.records.training import TrainedRecord
from tests.e2e.conftest import PATIENCE_S, Running
from tests.records import expect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1_200)]

Event = dict[str, Any]


class Exact(NamedTuple):
    """A dataset in one version."""

    namespace: str
    name: str
    version: str


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that OpenLineage's transport writes."""
    return tmp_path_factory.mktemp("lineage") / "events.jsonl"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, events: Path) -> Iterator[Running]:
    """A stack of its own whose Airflow sends its lineage to a file."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("IRIS_PORT")}
    transport = {"TYPE": "file", "LOG_FILE_PATH": str(events), "APPEND": "true"}
    named = {f"OPENLINEAGE__TRANSPORT__{name}": value for name, value in transport.items()}
    stack = Stack(Home(tmp_path_factory.mktemp("iris")), inherited | named)
    try:
        state = stack.up()
        yield Running(stack, stack.workspace(), AirflowApi(state.endpoints["airflow"], patience_s=PATIENCE_S))
    finally:
        stack.down()


def test_events_lead_from_a_drift_verdict_to_the_version_that_the_model_learnt_from(
    told: Running, events: Path
) -> None:
    names = told.workspace.settings.names
    training, inference = split_iris(told.workspace.settings.project.table, seed=18)
    landed, to_score = told.train(training.csv()), told.score(inference.csv())
    trained = expect(TrainedRecord, told.decided("training", landed))
    told.decided("drift", to_score)
    told.quiet()
    ended = [event for event in read(events) if event["eventType"] == "COMPLETE"]

    concluded = [event for event in ended if event["job"]["name"] == f"{names.drift_dag}.verdict"][-1]
    assert concluded["run"]["facets"]["parent"]["job"]["name"] == names.drift_dag
    [verdict] = inputs_of(concluded)
    assert dataset_in(concluded["inputs"], verdict)["facets"]["iris_decision"]["kind"] == "drift"
    reported = maker(ended, verdict, f"{names.drift_dag}.report")
    [predictions] = [each for each in inputs_of(reported) if "/predictions/" in f"/{each.name}"]
    published = maker(ended, predictions, f"{names.inference_dag}.publish")
    assert Exact(f"s3://{to_score.bucket}", to_score.key, str(to_score.version_id)) in inputs_of(published)
    [version] = [each for each in inputs_of(published) if each.name == names.model]
    registered = maker(ended, version, f"{names.training_dag}.register")
    scores = dataset_in(registered["outputs"], version)["facets"]["iris_metrics"]
    assert scores["accuracy"] == trained.evidence.accuracy
    [logged] = [each for each in inputs_of(registered) if each.namespace == version.namespace]
    learnt = maker(ended, logged, f"{names.training_dag}.train")
    [data] = inputs_of(learnt)
    assert data == Exact(f"s3://{landed.bucket}", landed.key, str(landed.version_id))
    assert dataset_in(learnt["inputs"], data)["facets"]["dataSource"]["uri"] == landed.uri

    [validated, *_] = [
        event
        for event in ended
        if event["job"]["name"] == f"{names.training_dag}.validate" and data in inputs_of(event)
    ]
    judged = dataset_in(validated["inputs"], data)["inputFacets"]
    assert judged["dataQualityMetrics"]["rowCount"] == trained.evidence.rows
    assertions = judged["dataQualityAssertions"]["assertions"]
    assert assertions
    assert all(one["success"] for one in assertions)


def read(events: Path) -> list[Event]:
    return [json.loads(line) for line in events.read_text().splitlines()]


def inputs_of(event: Event) -> list[Exact]:
    return [exact(dataset) for dataset in event["inputs"]]


def exact(dataset: dict[str, Any]) -> Exact:
    version = dataset["facets"].get("version", {}).get("datasetVersion", "")
    return Exact(dataset["namespace"], dataset["name"], version)


def dataset_in(datasets: list[dict[str, Any]], wanted: Exact) -> dict[str, Any]:
    [found] = [dataset for dataset in datasets if exact(dataset) == wanted]
    return found


def maker(ended: list[Event], wanted: Exact, job: str) -> Event:
    """An event of the task that wrote a dataset: two runs may have done the work, and one decision stands."""
    made = [event for event in ended if wanted in map(exact, event["outputs"])]
    assert {event["job"]["name"] for event in made} == {job}
    return made[-1]
