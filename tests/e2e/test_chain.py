"""The whole chain in a real Airflow: from a PUT to the ledger's drift record."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from iris_core import models, promotion
from iris_core.doctor.airflow_api import TaskInstance
from iris_core.ledger import Record
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.objects import RejectedRecord
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.overview import overview
from iris_core.store.objects import ObjectVersion
from tests.chaos.audit import audit
from tests.e2e.conftest import Running
from tests.records import expect

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1_200)]


def test_a_put_becomes_a_model_predictions_and_a_verdict(
    running: Running, tables: tuple[bytes, bytes]
) -> None:
    training_data, inference_data = tables
    since = datetime.now(UTC)

    landed = running.train(training_data)
    to_score = running.score(inference_data)

    trained = expect(TrainedRecord, running.decided("training", landed))
    # The first data of all also wakes the @daily runs that have waited for it; one of the two trains.
    assert trained.by.run_id.startswith(("asset_triggered__", "scheduled__"))
    assert trained.by.owner == "end-to-end"
    promoted = running.wait("the promotion", lambda: promotion.verdict_on(running.workspace, trained))
    assert promoted.outcome == Outcome.PROMOTED
    drift = running.decided("drift", to_score)
    assert drift.outcome in ("none", "low"), drift.reason
    scored = expect(ScoredRecord, running.decision("scoring", to_score))
    assert scored.evidence.rows == 30
    assert scored.evidence.accuracy
    assert scored.evidence.accuracy > 0.8
    predictions = scored.outputs.predictions
    assert running.workspace.store.read(predictions).startswith(b"sepal_length,")
    running.quiet()
    audited = {key.rsplit("/", 1)[-1] for key in _audit(running, since)}
    assert {f"{task}-try1-success.json" for task in ("reconcile", "validate", "train", "register")} <= audited


def _audit(running: Running, since: datetime) -> list[str]:
    settings = running.workspace.settings
    folder = f"audit/{settings.platform_env}/{since:%Y-%m-%d}"
    return list(running.workspace.store.keys(settings.bucket, folder))


def test_the_same_bytes_again_are_unchanged_and_a_second_run_does_nothing(
    running: Running, tables: tuple[bytes, bytes]
) -> None:
    training_data, inference_data = tables
    first = running.train(training_data)
    trained = expect(TrainedRecord, running.decided("training", first))
    assert trained.by.run_id.startswith("asset_triggered__")
    running.wait("the promotion", lambda: promotion.verdict_on(running.workspace, trained))
    running.quiet()
    # Only now: a table that an older model scored would be owed to the new one when it is uploaded again.
    running.decided("drift", running.score(inference_data))
    running.quiet()

    again, scored_again = running.train(training_data), running.score(inference_data)

    unchanged = running.decided("training", again)
    assert unchanged.outcome == "unchanged"
    standing = running.decision("training", first)
    assert standing is not None
    assert unchanged.points_to == standing.identity.path
    assert running.decided("scoring", scored_again).outcome == "unchanged"
    running.quiet()
    before = running.shown()
    names = running.workspace.settings.names
    for dag_id, looks in (
        (names.training_dag, "reconcile"),
        (names.inference_dag, "plan"),
        (names.drift_dag, "unreported"),
    ):
        run = running.trigger(dag_id)
        assert run.state == "success"
        assert running.states(dag_id, run.dag_run_id)[looks] == "skipped"
    running.quiet()
    assert running.shown() == before


def test_going_back_to_the_first_bytes_trains_again(running: Running, tables: tuple[bytes, bytes]) -> None:
    first_bytes, _ = tables
    other_bytes = first_bytes + b"5.1,3.5,1.4,0.2,setosa\n"

    outcomes = []
    for data in (first_bytes, other_bytes, first_bytes):
        outcomes.append(running.decided("training", running.train(data)).outcome)
        running.quiet()

    assert outcomes == ["trained", "trained", "trained"]


def test_an_event_that_was_lost_is_found_by_a_manual_run(
    running: Running, tables: tuple[bytes, bytes]
) -> None:
    dag_id = running.workspace.settings.names.training_dag
    running.quiet()
    _pause(running, dag_id, paused=True)
    try:
        landed = running.train(tables[0])
        running.wait("the watcher's event", lambda: _announced(running, landed))
    finally:
        _pause(running, dag_id, paused=False)

    run = running.trigger(dag_id)

    assert run.state == "success"
    trained = running.decision("training", landed)
    assert trained is not None
    assert trained.outcome == "trained"
    assert trained.by.run_id == run.dag_run_id
    running.quiet()


def test_a_run_cleared_in_the_middle_has_one_effect(running: Running, tables: tuple[bytes, bytes]) -> None:
    dag_id = running.workspace.settings.names.training_dag
    running.quiet()
    since = datetime.now(UTC)
    landed = running.train(tables[0])
    task = running.wait("the training task", lambda: next(iter(_training(running, dag_id, since)), None))

    running.airflow.post(f"/dags/{dag_id}/dagRuns/{task.dag_run_id}/clear", {"dry_run": False})

    assert running.decided("training", landed).outcome == "trained"
    running.quiet()
    found = audit(running.workspace, {})
    assert found.doubled == []


def _training(running: Running, dag_id: str, since: datetime) -> list[TaskInstance]:
    tasks = running.airflow.tasks(dag_id, since, ["running"])
    return [task for task in tasks if task.task_id == "train"]


def _pause(running: Running, dag_id: str, *, paused: bool) -> None:
    running.airflow.patch(f"/dags/{dag_id}", {"is_paused": paused})


def _announced(running: Running, version: ObjectVersion) -> bool | None:
    name = running.workspace.settings.names.asset("training_data")
    events = running.airflow.get(
        "/assets/events", asset_id=running.airflow.asset_id(name), order_by="-timestamp", limit=5
    )
    return version.uri in str(events) or None


def test_a_bad_table_is_refused_with_a_sentence_and_its_correction_starts_by_itself(
    running: Running, tables: tuple[bytes, bytes]
) -> None:
    good = tables[0]
    lines = good.split(b"\n")
    lines[4] = b"abc," + lines[4].split(b",", 1)[1]

    refused = expect(RejectedRecord, running.decided("training", running.train(b"\n".join(lines))))

    assert "column 'sepal_length', row 5: found 'abc'" in refused.reason
    store, bucket = running.workspace.store, running.workspace.settings.bucket
    kept = refused.outputs.quarantine.removeprefix(f"s3://{bucket}/").split("?")[0]
    assert store.get(bucket, kept) == b"\n".join(lines)
    dag_id = running.workspace.settings.names.training_dag
    run = running.wait("the failed run", lambda: running.ended(dag_id, refused.by.run_id))
    assert run.state == "failed"
    assert running.states(dag_id, refused.by.run_id)["train"] == "upstream_failed"

    assert running.decided("training", running.train(good)).outcome == "trained"
    running.quiet()


def test_a_model_staged_by_hand_scores_again(running: Running, tables: tuple[bytes, bytes]) -> None:
    from iris_core.models import tracking

    training_data, inference_data = tables
    trained = expect(TrainedRecord, running.decided("training", running.train(training_data)))
    running.wait("the promotion", lambda: promotion.verdict_on(running.workspace, trained))
    running.quiet()
    to_score = running.score(inference_data)
    running.decided("scoring", to_score)
    running.quiet()
    staged = models.staged(running.workspace.settings)
    assert staged is not None
    assert staged.version > 1
    since = datetime.now(UTC)

    client = tracking.client(running.workspace.settings)
    client.set_registered_model_alias(staged.name, models.ALIAS, str(staged.version - 1))

    scored = expect(ScoredRecord, running.decided("scoring", to_score, since))
    assert scored.inputs.model.version == staged.version - 1
    found = overview(running.workspace, now=datetime.now(UTC) + timedelta(minutes=2))
    assert f"Version {staged.version - 1} of" in found.replies[0].sentence
    assert "moved MLflow's alias by hand" in found.replies[0].sentence
    running.quiet()


def test_labels_that_come_later_are_joined(running: Running, tables: tuple[bytes, bytes]) -> None:
    header, *rows = tables[1].decode().splitlines()
    stamp = f"{datetime.now(UTC):%H%M%S%f}"
    named = [f"{stamp}-{number},{row}" for number, row in enumerate(rows)]
    running.decided("training", running.train(tables[0]))
    running.decided("drift", running.score("\n".join([f"id,{header}", *named, ""]).encode()))
    running.quiet()
    answers = [f"{line.split(',')[0]},{line.split(',')[-1]}" for line in named]

    landed = running.put("iris/labels/answers.csv", "\n".join(["id,species", *answers, ""]).encode())

    measured = expect(MeasuredRecord, running.decided("performance", landed))
    assert measured.outcome == Outcome.MEASURED
    assert measured.evidence.unmatched == 0
    assert measured.by.run_id.startswith("asset_triggered__")
    assert running.decided("drift", landed).outcome in ("none", "low")  # one in fifty is low by chance
    running.quiet()
    dag_id = running.workspace.settings.names.drift_dag
    assert running.states(dag_id, measured.by.run_id) == {
        "wait_for_predictions": "success",
        "unreported": "skipped",
        "report": "skipped",
        "verdict": "skipped",
        "join_labels": "success",
        "alert": "skipped",
        "request_retraining": "skipped",
        "outcome": "success",
    }


def test_drift_asks_for_one_retraining_and_stops(running: Running, tables: tuple[bytes, bytes]) -> None:
    training_data, inference_data = tables
    landed = running.train(training_data)
    running.decided("training", landed)
    running.quiet()
    since = datetime.now(UTC)

    for by in (2.0, 2.1):
        drifted = running.score(_longer_petals(inference_data, by))
        assert running.decided("drift", drifted).outcome in ("medium", "high")
    asked = running.wait("the request", lambda: next(iter(_actions(running, since)), None))
    assert asked.outcome == "requested"
    retrained = running.wait("the retraining", lambda: _retrainings(running, landed) or None)
    # The new model scores the newest batch again; one more that drifts alerts about it too.
    running.decided("drift", drifted, retrained[0].at)
    running.quiet()
    running.score(_longer_petals(inference_data, 2.2))
    running.wait("the end of the loop", lambda: len(_actions(running, since)) > 1 or None)
    running.quiet()

    assert [record.outcome for record in _actions(running, since)] == ["stopped", "requested"]
    assert len(_retrainings(running, landed)) == 1
    requests = running.airflow.asset_id(running.workspace.settings.names.asset("retrain_request"))
    assert running.airflow.get("/assets/events", asset_id=requests, limit=5)["total_entries"] == 1


def _longer_petals(data: bytes, by: float) -> bytes:
    frame = pl.read_csv(io.BytesIO(data)).with_columns((pl.col("petal_length") + by).round(2))
    return frame.write_csv().encode()


def _actions(running: Running, since: datetime) -> list[Record]:
    """What was asked for or stopped; alerts are actions too."""
    found = running.workspace.ledger.recent("action")
    return [record for record in found if record.at >= since and record.outcome != Outcome.ALERTED]


def _retrainings(running: Running, landed: ObjectVersion) -> list[Record]:
    records = running.workspace.ledger.of_subject("training", landed.landed_at.date(), landed.digest)
    return [record for record in records if "+retrain-" in record.variant]


def test_the_asset_graph_is_the_picture(running: Running) -> None:
    names = running.workspace.settings.names
    assets = {asset["name"]: asset for asset in running.airflow.get("/assets", limit=50)["assets"]}

    edges = {
        name: (
            sorted({task["dag_id"] for task in asset["producing_tasks"]}),
            sorted({dag["dag_id"] for dag in asset["scheduled_dags"]}),
        )
        for name, asset in assets.items()
    }

    assert edges == {
        names.asset("training_data"): ([], [names.training_dag]),
        names.asset("staged_model"): ([names.training_dag], [names.inference_dag]),
        names.asset("inference_data"): ([], [names.inference_dag]),
        names.asset("predictions"): ([names.inference_dag], [names.drift_dag]),
        names.asset("labels"): ([], [names.drift_dag]),
        names.asset("drift_report"): ([names.drift_dag], []),
        names.asset("retrain_request"): ([names.drift_dag], [names.training_dag]),
    }
