"""Whole runs of the DAGs, task by task in a real Airflow."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from iris_core import promotion, training
from iris_core.ledger.records.action import AlertRecord, LateRecord
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.workspace import Workspace
from tests.dags.conftest import RunDag
from tests.loop import score_owed
from tests.receiving import receiver

pytestmark = [pytest.mark.dags, pytest.mark.slow, pytest.mark.timeout(400)]


def staged(workspace: Workspace, data: bytes) -> Workspace:
    """With a model that was trained on this table."""
    workspace.store.put(workspace.settings.bucket, workspace.settings.train_key, data, "text/csv")
    work = training.train(workspace, training.validate(workspace, training.reconcile_training(workspace)))
    promotion.register_step(workspace, work.identity)
    return workspace


def test_what_is_over_is_taken_by_the_next_run_at_once(
    mlflow_db: object,
    make_workspace: Callable[..., Workspace],
    train_csv: bytes,
    run_dag: RunDag,
) -> None:
    workspace = staged(make_workspace(TEAM_S3_TEST_KEY="in/"), train_csv)
    settings = workspace.settings
    header, row = b"sepal_length,sepal_width,petal_length,petal_width\n", b"5.1,3.5,1.4,0.2\n"
    for name in "abc":
        workspace.store.put(workspace.settings.bucket, f"in/{name}.csv", header + row * 150_000, "text/csv")
    names = workspace.settings.names
    ran = run_dag(
        workspace,
        names.inference_dag,
        times=3,
        SHARD_MB="1",
        AIRFLOW__CORE__MAX_MAP_LENGTH="4",
    )
    assert [one["tasks"]["score"] for one in ran] == [["success"] * 2] * 3
    again = names.asset("inference_data")
    assert [one["events"].count(again) for one in ran] == [1, 2, 2]
    assert [one["events"].count(names.asset("predictions")) for one in ran] == [1, 2, 3]
    scored = list(workspace.ledger.recent_of(ScoredRecord))
    assert [record.evidence.rows for record in scored] == [150_000] * 3
    newest = scored[0]
    page = "/iris/team_a_iris"
    manifest = f"s3://{settings.bucket}/manifests/dev/{newest.identity.path}.json"
    assert ran[-1]["links"]["publish"] == {
        "Predictions": f"{page}/object?{urlencode({'uri': newest.outputs.predictions.uri})}",
        "Manifest": f"{page}/object?{urlencode({'uri': manifest})}",
    }
    assert newest.outputs.manifest is not None
    assert newest.outputs.manifest.uri.partition("?")[0] == manifest
    told = ran[-1]["extras"][names.asset("predictions")]
    assert (told["rows"], told["rejected"], told["model_version"]) == (150_000, 0, 1)
    assert told["newest"] == [newest.identity.path]


def test_a_bad_labels_file_silences_no_alert_and_the_run_still_fails(
    mlflow_db: object,
    make_workspace: Callable[..., Workspace],
    train_csv: bytes,
    test_csv: bytes,
    run_dag: RunDag,
) -> None:
    workspace = staged(make_workspace(), train_csv)
    settings = workspace.settings
    far = test_csv.replace(b",1.", b",9.").replace(b",5.", b",11.")
    workspace.store.put(settings.bucket, settings.test_key, far, "text/csv")
    score_owed(workspace)
    workspace.store.put(settings.bucket, "iris/labels/bad.csv", b"nothing\n1\n", "text/csv")
    with receiver() as (url, got):
        one = {"DRIFT_ALERT_WEBHOOK": url, "DRIFT_WINDOW": "1", "DRIFT_VIOLATIONS": "1"}
        [ran] = run_dag(workspace, settings.names.drift_dag, **one)
    assert ran["tasks"]["join_labels"] == ["failed"]
    assert ran["tasks"]["verdict"] == ran["tasks"]["alert"] == ["success"]
    assert ran["tasks"]["outcome"] == ["upstream_failed"]
    assert ran["state"] == "failed"
    [drifted] = workspace.ledger.recent_of(BatchDriftRecord)
    [alerted] = workspace.ledger.recent_of(AlertRecord)
    assert alerted.inputs.verdict == drifted.identity.path
    [posted] = got
    assert drifted.identity.path.encode() in posted
    told = ran["extras"][settings.names.asset("drift_report")]
    assert (told["severity"], told["alert"], told["newest"]) == ("high", True, [drifted.identity.path])
    assert told["sentence"] == drifted.reason[:500]
    shown = ran["links"]["report"]
    page = "/iris/team_a_iris/object?"
    assert shown["Evidently report"] == page + urlencode({"uri": drifted.outputs.report_html})
    assert shown["Statistics"] == page + urlencode({"uri": drifted.outputs.statistics})


def test_what_is_late_is_told_by_the_run_after_the_channel_is_back(
    workspace: Workspace, train_csv: bytes, run_dag: RunDag
) -> None:
    settings = workspace.settings
    landed = workspace.store.put(settings.bucket, settings.train_key, train_csv, "text/csv")
    time.sleep(2)
    with receiver() as (url, got):
        variables = {"DRIFT_ALERT_WEBHOOK": "http://127.0.0.1:9/", "VERDICT_WITHIN": "1s"}
        [failed] = run_dag(workspace, settings.names.promise_dag, **variables)
        assert (failed["state"], got) == ("failed", [])
        told, silent = run_dag(
            workspace, settings.names.promise_dag, times=2, **{**variables, "DRIFT_ALERT_WEBHOOK": url}
        )
    assert (told["tasks"], silent["tasks"]) == ({"late": ["success"]}, {"late": ["skipped"]})
    [posted] = got
    assert json.loads(posted)["data"] == landed.uri
    [late] = workspace.ledger.recent_of(LateRecord)
    [alerted] = workspace.ledger.recent_of(AlertRecord)
    assert (late.evidence.missing, alerted.inputs.verdict) == ("training", late.identity.path)
    assert list(workspace.store.keys(settings.bucket, "audit")) == []
