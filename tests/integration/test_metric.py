"""Another metric than accuracy, from project.json: gate, champion, approval, labels that come later."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from iris_core import monitoring, promotion, scoring, training
from iris_core.errors import ApprovalAwaited, PromotionRefused
from iris_core.ledger.records.drift import BatchDriftRecord, PerformanceDriftRecord
from iris_core.ledger.records.gate import Approval, GateEvidence
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.workspace import Workspace
from tests.conftest import MakeWorkspace
from tests.records import expect
from tests.registry import client

pytestmark = [pytest.mark.integration, pytest.mark.slow]

COST = {"cost": {"ill": {"well": 20}, "well": {"ill": 1}}}
OF_ANSWERS = ["balanced_accuracy", "macro_f1", COST]
ILL = 0.1
Declare = Callable[..., Workspace]


@pytest.fixture
def declare(
    mlflow_db: Path, make_workspace: MakeWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Declare:
    """`declare(metric, **variables)`: a workspace whose project.json has this metric."""
    features = [{"name": name, "type": "number", "min": -100, "max": 100} for name in ("x", "y")]
    table = {"features": features, "target": "state", "classes": ["ill", "well"]}
    path = tmp_path / "clinic.json"
    monkeypatch.setenv("IRIS_PROJECT_FILE", str(path))

    def write(metric: Any, **variables: str) -> Workspace:
        project = {"name": "clinic", "default_team": "team_a", "table": table, "metric": metric}
        path.write_text(json.dumps(project), encoding="utf-8")
        return make_workspace(**variables)

    return write


def patients(seed: int, apart: float = 6.0, rows: int = 600) -> pl.DataFrame:
    """A tenth is ill; how far apart the two lie says how many of them are recognised."""
    rng = np.random.default_rng(seed)
    is_ill = np.arange(rows) % round(1 / ILL) == 0
    values = rng.normal(0, 1, (rows, 2)) + apart * is_ill[:, None]
    table = pl.DataFrame(values.round(3), schema=["x", "y"])
    return table.with_columns(state=pl.Series(np.where(is_ill, "ill", "well").tolist()))


def put(workspace: Workspace, key: str, table: pl.DataFrame) -> None:
    workspace.store.put(workspace.settings.bucket, key, table.write_csv().encode(), "text/csv")


def promote(workspace: Workspace, table: pl.DataFrame) -> GateEvidence:
    """Train, and promote; what the gate found."""
    put(workspace, workspace.settings.train_key, table)
    work = training.train(workspace, training.validate(workspace, training.reconcile_training(workspace)))
    promotion.register_step(workspace, work.identity)
    return newest(workspace)


def newest(workspace: Workspace) -> GateEvidence:
    return expect(GateEvidence, next(workspace.ledger.recent_of(VerdictRecord)).evidence)


def labelled(workspace: Workspace, missed: int) -> PerformanceDriftRecord:
    """600 rows are scored; of the labels that come, so many of the 60 ill had been called well."""
    batch = patients(9).with_columns(id=pl.format("p{}", pl.int_range(pl.len())))
    put(workspace, workspace.settings.test_key, batch.drop("state"))
    shards = scoring.plan_shards(workspace)
    scoring.publish_all(workspace, [one for shard in shards for one in scoring.score_shard(workspace, shard)])
    is_missed = (pl.col("state") == "ill").not_() & (pl.int_range(pl.len()) < missed)
    truth = batch.select("id", state=pl.when(is_missed).then(pl.lit("ill")).otherwise("state"))
    put(workspace, f"{workspace.settings.labels_prefix}truth.csv", truth)
    monitoring.join_labels(workspace)
    return next(workspace.ledger.recent_of(PerformanceDriftRecord))


@pytest.mark.parametrize("metric", [*OF_ANSWERS, "log_loss"], ids=str)
def test_threshold_champion_and_evidence_are_in_it(declare: Declare, metric: Any) -> None:
    workspace = declare(metric, ACCURACY_THRESHOLD="0.97")
    with pytest.raises(PromotionRefused, match=r"score 0\.\d+ on 120 holdout rows is below"):
        promote(workspace, patients(1, apart=1.2))
    blurred = newest(workspace)
    assert blurred.accuracy > 0.9
    assert blurred.judged[0] == blurred.score
    assert blurred.judged[0] < 0.97

    first = promote(workspace, patients(2))
    assert first.judged[0] > 0.97
    second = promote(workspace, patients(3))
    assert second.champion
    assert second.champion.shown == (second.champion.challenger_score, second.champion.score)
    assert second.champion.difference.low < second.champion.gain < second.champion.difference.high
    version = client(workspace).get_model_version_by_alias(workspace.settings.names.model, "staging")
    run = client(workspace).get_run(version.run_id or "")
    name = "cost" if isinstance(metric, dict) else metric
    assert run.data.metrics[f"gate/{name}_score"] == pytest.approx(second.score)


@pytest.mark.parametrize("metric", OF_ANSWERS, ids=str)
def test_labels_that_come_later_are_judged_in_it(declare: Declare, metric: Any) -> None:
    """Half of the ill were missed: a tenth of accuracy, and much more of the others."""
    workspace = declare(metric)
    promote(workspace, patients(1))
    record = labelled(workspace, missed=60)
    assert record.outcome in ("medium", "high")
    name = "Cost" if isinstance(metric, dict) else metric.replace("_", " ").capitalize()
    assert record.reason.startswith(f"{name} score fell by 0.")


@pytest.mark.parametrize(("told", "begins"), [("true", "Log loss score fell"), ("false", "Accuracy fell")])
def test_under_log_loss_by_the_probabilities_where_they_are_written(
    declare: Declare, told: str, begins: str
) -> None:
    workspace = declare("log_loss", PREDICTION_PROBABILITIES=told)
    promote(workspace, patients(1))
    record = labelled(workspace, missed=60)
    assert record.outcome in ("medium", "high")
    assert record.reason.startswith(begins)


def test_under_log_loss_without_a_loss(declare: Declare) -> None:
    workspace = declare("log_loss", PREDICTION_PROBABILITIES="true")
    promote(workspace, patients(1))
    record = labelled(workspace, missed=0)
    assert record.outcome == "none"
    assert record.reason.startswith("No loss beyond chance: log loss score 0.99")


def test_labels_that_come_later_without_a_loss(declare: Declare) -> None:
    workspace = declare("balanced_accuracy")
    promote(workspace, patients(1))
    record = labelled(workspace, missed=0)
    assert record.outcome == "none"
    assert record.reason.startswith("No loss beyond chance: balanced accuracy score 0.99")


@pytest.mark.parametrize(
    ("asked_by", "answered_by", "threshold"),
    [
        ("accuracy", "balanced_accuracy", "0.9"),
        ({"cost": {"ill": {"well": 1}, "well": {"ill": 20}}}, COST, "0.97"),
    ],
    ids=["metric", "costs"],
)
def test_an_approval_is_judged_again_when_only_the_metric_changes(
    declare: Declare, asked_by: Any, answered_by: Any, threshold: str
) -> None:
    variables = {"PROMOTION_APPROVAL": "manual", "ACCURACY_THRESHOLD": threshold}
    asking = declare(asked_by, **variables)
    with pytest.raises(ApprovalAwaited):
        promote(asking, patients(1, apart=1.2))
    answering = declare(answered_by, TEAM=asking.settings.team, **variables)
    approval = Approval(approved=True, by="jane", at=datetime.now(UTC), reason="it looks right")
    with pytest.raises(PromotionRefused, match=r"approved by jane.*is below ACCURACY_THRESHOLD"):
        promotion.answer(answering, 1, approval)
    assert newest(answering).is_by(answering.settings.project.metric)


def test_two_classes_with_labels_have_a_verdict_that_refused_rows_reach(declare: Declare) -> None:
    workspace = declare("accuracy", MAX_REJECT_SHARE="0.5")
    promote(workspace, patients(1))
    sound = patients(2, rows=300)
    place = pl.int_range(pl.len()) % 10
    spoilt = sound.with_columns(
        x=pl.when(place == 3).then(None).otherwise("x"),
        y=pl.when(place == 4).then(float("inf")).otherwise("y"),
    )
    reports = []
    for table in (sound, spoilt):
        put(workspace, workspace.settings.test_key, table)
        shards = scoring.plan_shards(workspace)
        scoring.publish_all(
            workspace, [one for shard in shards for one in scoring.score_shard(workspace, shard)]
        )
        [path] = monitoring.plan_reports(workspace)
        reports.append(monitoring.report(workspace, path))
    assert [report["severity"] for report in reports] == ["none", "medium"]
    assert reports[0]["sentence"].startswith("No drift seen in 2 of 2 features (300 rows against 600)")
    assert "could not be made" not in reports[1]["sentence"]
    record = next(workspace.ledger.recent_of(BatchDriftRecord))
    evidence = expect(BatchDriftRecord.Evidence, record.evidence)
    assert evidence.current["x"]["missing"] == evidence.current["y"]["infinite"] == 30
    drifted = {one["column"]: one["carried_by"] for one in (*evidence.evidence, *evidence.whole)}
    assert drifted["x"] == "missing"
    assert drifted["y"] == "infinite"
    assert drifted["rejected rows"] == "rejected"
    assert "state" in drifted, "accuracy on the batch's labels is compared with the holdout's"
