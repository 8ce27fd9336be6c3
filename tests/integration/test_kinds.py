"""A table of every kind of feature through training, gate, scoring, drift and late labels: sqlite MLflow."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from iris_core import models, monitoring
from iris_core.errors import DataRejected, ModelRefused
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.gate import GateEvidence
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models.holdout import split, training_table
from iris_core.scoring.replay import replay
from iris_core.settings.project import Project
from iris_core.tables import MemoryInput
from tests.kinds import PROJECT, as_csv, homes
from tests.loop import score, train
from tests.records import expect

pytestmark = [pytest.mark.integration, pytest.mark.slow]

BOOSTED = {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier", "parameters": {"max_iter": 30}}
LIGHTGBM = {
    "estimator": "lightgbm.LGBMClassifier",
    "parameters": {"n_estimators": 40, "n_jobs": 1, "verbosity": -1},
    "search": {"num_leaves": [7, 15]},
}

Make = Callable[..., Workspace]
Of = Callable[..., Workspace]


@pytest.fixture
def of_project(mlflow_db: Path, make_workspace: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Of:
    """A workspace of a project, by the content of its file."""

    def make(content: dict[str, Any]) -> Workspace:
        path = tmp_path / "project.json"
        path.write_text(json.dumps(content))
        monkeypatch.setenv("IRIS_PROJECT_FILE", str(path))
        return make_workspace()

    return make


@pytest.fixture
def of_model(of_project: Of) -> Of:
    """A workspace of the project with every kind of feature, and this model."""
    return lambda model=None: of_project({**PROJECT.model_dump(mode="json"), "model": model})


def drift(workspace: Workspace, owed: str = "") -> BatchDriftRecord:
    """Report on a scoring; by default on the only one without a report."""
    if not owed:
        [owed] = monitoring.plan_reports(workspace)
    monitoring.report(workspace, owed)
    return next(workspace.ledger.recent_of(BatchDriftRecord))


@pytest.mark.parametrize(
    "model",
    [None, BOOSTED],
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


def unlisted(model: dict[str, Any] | None = None) -> dict[str, Any]:
    """The project without the lists of its levels; a colour that is not listed may be missing."""
    whole = PROJECT.model_dump(mode="json")
    for feature in whole["table"]["features"]:
        if feature.pop("levels", None):
            feature["missing"] = "impute"
    return {**whole, "model": model}


def answers(workspace: Workspace, scored: ScoredRecord) -> pl.DataFrame:
    return pl.read_csv(workspace.store.read(scored.outputs.predictions), infer_schema=False)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(None, id="logistic regression"),
        pytest.param(BOOSTED, id="gradient boosting"),
        pytest.param(
            LIGHTGBM,
            id="LightGBM",
            marks=pytest.mark.skipif(find_spec("lightgbm") is None, reason="LightGBM is not installed"),
        ),
    ],
)
def test_learnt_levels_through_all_pipelines(of_project: Of, model: dict[str, Any] | None) -> None:
    workspace = of_project(unlisted(model))
    train(workspace, as_csv(homes(600, seed=1)))
    first = models.staged(workspace.settings)
    assert first is not None, "the gate did not stage it"
    scored = score(workspace, as_csv(homes(400, seed=2, has_unseen=True)))
    assert (scored.evidence.rows, scored.evidence.rejected) == (400, 0)
    assert replay(workspace, scored.identity.path).same
    assert "city has levels that the model does not know" in drift(workspace).reason

    # Aachen comes first in the alphabet: every level has another code than the champion knows it by.
    moved = homes(700, seed=3).with_columns(pl.col("city").str.replace("Berlin", "Aachen"))
    train(workspace, as_csv(moved))
    judged = expect(GateEvidence, next(workspace.ledger.recent_of(VerdictRecord)).evidence)
    assert judged.champion is not None
    as_it_knows_them = homes(700, seed=3).with_columns(pl.col("city").str.replace("Berlin", "=Köln"))
    with models.loaded(workspace.settings, workspace.ledger, first) as champion:
        assert champion.levels["city"] == ["Berlin", "Bonn", "Ulm"]
        table = champion.table(workspace.settings.project.table)
        whole = training_table(MemoryInput(as_csv(as_it_knows_them), "homes.csv"), table)
        holdout = split(whole.frame, whole.table, 0.2, 42).holdout
        right = (champion.estimator.predict(holdout.features) == holdout.labels).mean()
    assert judged.champion.accuracy == pytest.approx(right)

    second = models.staged(workspace.settings)
    assert second is not None
    assert second.version == first.version + 1
    with models.loaded(workspace.settings, workspace.ledger, second) as found:
        assert found.levels["city"] == ["Aachen", "Bonn", "Ulm"]


def test_a_level_that_the_model_did_not_learn_is_refused_by_name(of_project: Of) -> None:
    content = unlisted()
    content["table"]["features"][2].pop("unseen")
    workspace = of_project(content)
    train(workspace, as_csv(homes(600, seed=1)))
    with pytest.raises(
        DataRejected, match=r"column 'city', .* found '=Köln', expected 'Berlin', 'Bonn' or 'Ulm'"
    ):
        score(workspace, as_csv(homes(200, seed=2, has_unseen=True)))


def test_a_list_that_changes_does_not_change_what_a_model_says(of_project: Of) -> None:
    content = PROJECT.model_dump(mode="json")
    workspace = of_project(content)
    train(workspace, as_csv(homes(600, seed=1)))
    frame = homes(200, seed=2)
    before = score(workspace, as_csv(frame))
    content["table"]["features"][2]["levels"] = ["Aachen", "Ulm", "Bonn", "Berlin"]
    changed = workspace.settings.model_copy(update={"project": Project.model_validate(content)})
    workspace = replace(workspace, settings=changed)
    again = score(workspace, as_csv(frame.head(199)))
    assert again.model.version == before.model.version
    told = [answers(workspace, one)["prediction"].head(199).to_list() for one in (before, again)]
    assert told[0] == told[1]
    assert [drift(workspace, owed).outcome for owed in monitoring.plan_reports(workspace)] == ["none", "none"]


def test_a_model_that_does_not_tell_its_levels_is_refused(of_project: Of) -> None:
    workspace = of_project(PROJECT.model_dump(mode="json"))
    train(workspace, as_csv(homes(600, seed=1)))
    model = models.staged(workspace.settings)
    assert model is not None
    for told in ({}, {"city": ["x"] * 2}):
        with models.loaded(workspace.settings, workspace.ledger, model) as found:
            table = Project.model_validate(unlisted()).table
            with pytest.raises(ModelRefused, match=r"is refused: .* levels"):
                replace(found, levels=told).table(table)
