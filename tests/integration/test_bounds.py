"""A hostile table: 5,000 columns, 3,000 classes, long names: records and XComs stay below 64 KB."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from iris_airflow.steps import _fitting, _jsonable
from iris_core import monitoring, promotion, scoring, training
from iris_core.errors import DataRejected, IrisError
from iris_core.ledger.workspace import Workspace
from iris_core.scoring import handover
from tests.conftest import MakeWorkspace

pytestmark = pytest.mark.integration

MOST = 65_536
COLUMNS, CLASSES = 5_000, 3_000
LONG = "of_a_name_that_nobody_would_type_by_hand_" * 4


@pytest.fixture
def inbox(mlflow_db: object, make_workspace: MakeWorkspace, train_csv: bytes) -> Workspace:
    workspace = make_workspace(TEAM_S3_TEST_KEY="iris/in/", MAX_REJECT_SHARE="1")
    put(workspace, workspace.settings.train_key, train_csv)
    work = training.train(workspace, training.validate(workspace, training.reconcile_training(workspace)))
    promotion.register_step(workspace, work.identity)
    return workspace


def put(workspace: Workspace, key: str, data: bytes) -> None:
    workspace.store.put(workspace.settings.bucket, key, data, "text/csv")


def wide(data: bytes, rows: int) -> bytes:
    """The first rows of a labelled table with 5,000 columns more."""
    header, *lines = data.decode().splitlines()
    more = ",".join(f"{LONG}{number}" for number in range(COLUMNS))
    return "\n".join([f"{header},{more}", *(line + ",1" * COLUMNS for line in lines[:rows]), ""]).encode()


def many_classes(rows: int) -> bytes:
    header = "id,sepal_length,sepal_width,petal_length,petal_width,species"
    lines = (f"f{number},5.1,3.5,1.4,0.2,{LONG}{number % CLASSES}" for number in range(rows))
    return "\n".join([header, *lines, ""]).encode()


def xcom(step: Callable[[], Any]) -> Any:
    """What a task hands over; an error's sentence where it fails."""
    try:
        result = _jsonable(step())
    except IrisError as error:
        result = str(error)[:4000]
    assert len(json.dumps(_fitting(result))) < MOST
    return result


def check_records(workspace: Workspace) -> int:
    """The size of the largest record; all are below 64 KB, and read."""
    sizes = [
        item.object.size
        for item in workspace.store.versions(workspace.settings.bucket, "ledger/")
        if "/tries/" not in item.object.key
    ]
    assert list(workspace.ledger.recent())
    assert max(sizes) < MOST
    return max(sizes)


def test_training(workspace: Workspace, train_csv: bytes) -> None:
    for data in (wide(train_csv, 120), many_classes(6_000)):
        put(workspace, workspace.settings.train_key, data)
        work = training.reconcile_training(workspace)
        try:
            checked = training.validate(workspace, work)
        except DataRejected as error:
            assert len(str(error)) < 4_000  # noqa: PT017
        else:
            found = xcom(partial(training.validate, workspace, work))
            assert training.TrainingWork.model_validate(_fitting(found)) == checked
            assert len(checked.validation["columns"]) == 100
            assert checked.validation["column_count"] == COLUMNS + 5
            training.train(workspace, checked)
    check_records(workspace)


def test_scoring_labels_and_drift(inbox: Workspace, train_csv: bytes) -> None:
    put(inbox, "iris/in/wide.csv", wide(train_csv, 40))
    put(inbox, "iris/in/classes.csv", many_classes(6_000))
    put(inbox, "iris/labels/classes.csv", many_classes(6_000))
    shards = scoring.plan_handed(inbox)
    assert len(json.dumps(_jsonable(list(shards)))) < MOST
    scored = [scoring.score_handed(inbox, shard) for shard in shards]
    assert all(len(one.model_dump_json()) < MOST for one in scored)
    assert len(xcom(lambda: scoring.publish_handed(inbox, scored))) == 2
    xcom(lambda: monitoring.join_labels(inbox))
    reports = [xcom(partial(monitoring.report, inbox, path)) for path in monitoring.plan_reports(inbox)]
    xcom(lambda: monitoring.conclude(inbox, reports))
    check_records(inbox)


def test_many_objects_with_long_keys_are_handed_over(inbox: Workspace, test_csv: bytes) -> None:
    for number in range(60):
        put(inbox, f"iris/in/{f'{LONG}/' * 5}{number:03}.csv", test_csv)
    shards = scoring.plan_handed(inbox)
    assert all(shard.stored for shard in shards)
    assert len(json.dumps(_jsonable(list(shards)))) < MOST
    scored = [scoring.score_handed(inbox, scoring.Handed(**_jsonable(shard))) for shard in shards]
    assert len(json.dumps(_jsonable(scored))) < MOST
    assert len(scoring.publish_handed(inbox, scored)) == 60


def test_of_a_long_list_the_beginning_is_told() -> None:
    told = _fitting([{"predictions": f"{LONG}{number}"} for number in range(3_000)])
    assert len(json.dumps(told)) < MOST
    assert told[-1]["left_out"]["result"] + len(told) - 1 == 3_000


def test_what_is_small_is_handed_over_without_the_store(inbox: Workspace) -> None:
    [handed] = handover.hand_over(inbox, [{"a": 1}])
    assert (handed.content, handed.stored) == ({"a": 1}, "")
    assert handover.received(inbox, handed) == {"a": 1}
