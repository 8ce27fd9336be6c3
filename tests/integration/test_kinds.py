"""A table of every kind of feature through training, gate, scoring, drift and late labels: sqlite MLflow."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from iris_core import models, monitoring
from iris_core.errors import DataRejected
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.ledger.workspace import Workspace
from iris_core.scoring.replay import replay
from tests.kinds import PROJECT, as_csv, homes
from tests.loop import score, train

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Make = Callable[..., Workspace]
Of = Callable[..., Workspace]


@pytest.fixture
def of_model(mlflow_db: Path, make_workspace: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Of:
    """A workspace of the project with every kind of feature, and this model."""

    def make(model: dict[str, Any] | None = None) -> Workspace:
        path = tmp_path / "project.json"
        path.write_text(json.dumps({**PROJECT.model_dump(mode="json"), "model": model}))
        monkeypatch.setenv("IRIS_PROJECT_FILE", str(path))
        return make_workspace()

    return make


def drift(workspace: Workspace) -> BatchDriftRecord:
    [owed] = monitoring.plan_reports(workspace)
    monitoring.report(workspace, owed)
    return next(workspace.ledger.recent_of(BatchDriftRecord))


@pytest.mark.parametrize(
    "model",
    [None, {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "parameters": {"max_iter": 30}}],
    ids=["logistic regression", "gradient boosting"],
)
def test_through_all_pipelines(of_model: Of, model: dict[str, Any] | None) -> None:
    workspace = of_model(model)
    trained = train(workspace, as_csv(homes(600, seed=1)))
    first = models.staged(workspace.settings)
    assert first is not None, "the gate did not stage it"
    assert trained.evidence.recall is not None
    scored = score(workspace, as_csv(homes(400, seed=2)))
    assert (scored.evidence.rows, scored.evidence.rejected) == (400, 0)
    assert scored.evidence.accuracy is not None
    assert scored.evidence.accuracy > 0.8
    assert replay(workspace, scored.identity.path).same
    assert drift(workspace).outcome in ("none", "low")

    # A champion, its holdout and its table are compared with the next ones.
    train(workspace, as_csv(homes(700, seed=3)))
    second = models.staged(workspace.settings)
    assert second is not None
    assert second.version == first.version + 1


def test_a_parquet_table_scores_the_same(of_model: Of) -> None:
    workspace = of_model()
    train(workspace, as_csv(homes(600, seed=1)))
    frame = homes(300, seed=4, has_unseen=True)
    as_text = score(workspace, as_csv(frame))
    typed = frame.with_columns(
        pl.col("size", "age").cast(pl.Float64, strict=False),
        pl.col("rooms").cast(pl.Int64),
        pl.col("pet") == "yes",
        pl.col("city", "colour").cast(pl.Categorical),
    )
    out = io.BytesIO()
    typed.write_parquet(out)
    as_parquet = score(workspace, out.getvalue())
    assert as_parquet.subject != as_text.subject
    assert as_parquet.evidence.classes == as_text.evidence.classes
    assert (as_parquet.evidence.rows, as_parquet.evidence.rejected) == (300, 0)


def test_late_labels_are_joined(of_model: Of) -> None:
    workspace = of_model()
    train(workspace, as_csv(homes(600, seed=1)))
    frame = homes(200, seed=5)
    score(workspace, as_csv(frame.drop("income")))
    answers = frame.select("id", "income").write_csv().encode()
    workspace.store.put(
        workspace.settings.bucket, workspace.settings.labels_prefix + "a.csv", answers, "text/csv"
    )
    monitoring.join_labels(workspace)
    measured = next(workspace.ledger.recent_of(MeasuredRecord))
    assert measured.outcome == Outcome.MEASURED
    assert measured.evidence.unmatched == 0


def test_a_table_with_undeclared_levels_is_refused_with_what_was_meant(of_model: Of) -> None:
    workspace = of_model()
    wrong = as_csv(homes(200, seed=6)).replace(b",red,", b",redd,")
    with pytest.raises(
        DataRejected, match=r"column 'colour', rows .*found 'redd' \(is it 'red'\?\), expected"
    ):
        train(workspace, wrong)
