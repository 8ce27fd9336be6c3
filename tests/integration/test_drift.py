"""From predictions to a verdict, N of M, an alert and a retraining: embedded store, sqlite MLflow."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from iris_core import models, monitoring, promotion, training
from iris_core.drift.debounce import Debounced
from iris_core.drift.thresholds import Severity
from iris_core.errors import DataRejected, NothingOwed
from iris_core.ledger import Identity, Ledger, Record, Variant
from iris_core.ledger.records.drift import BatchDriftRecord, DriftRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.monitoring import retraining, verdicts
from iris_core.store.objects import ObjectVersion
from iris_core.training.requests import requested_retrainings
from tests import drifting
from tests.counting import CountingStore
from tests.loop import score_owed
from tests.records import expect, expect_all, like

pytestmark = [pytest.mark.integration, pytest.mark.slow]

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def put(workspace: Workspace, key: str, data: bytes) -> ObjectVersion:
    workspace.store.put(workspace.settings.bucket, key, data, "text/csv")
    return workspace.store.head(workspace.settings.bucket, key)


def train(workspace: Workspace, data: bytes | None = None) -> Identity:
    """Train on new data, or on what is owed; returns the training record's identity."""
    if data is not None:
        put(workspace, workspace.settings.train_key, data)
    work = training.train(workspace, training.validate(workspace, training.reconcile_training(workspace)))
    return work.identity


def stage(workspace: Workspace, data: bytes) -> None:
    promotion.register_step(workspace, train(workspace, data))


def csv(frame: pl.DataFrame) -> bytes:
    return frame.write_csv().encode()


def table(data: bytes) -> pl.DataFrame:
    return pl.read_csv(io.BytesIO(data))


def shifted(data: bytes, by: float = 2.0) -> bytes:
    """The same flowers with longer petals; the last digit makes every batch another file."""
    return csv(table(data).with_columns((pl.col("petal_length") + by).clip(0.1, 12).round(4)))


def batch(workspace: Workspace, data: bytes) -> BatchDriftRecord:
    """Score a batch with the staged model, and report on it."""
    put(workspace, workspace.settings.test_key, data)
    score_owed(workspace)
    [path] = monitoring.plan_reports(workspace)
    monitoring.report(workspace, path)
    return expect(BatchDriftRecord, next(workspace.ledger.recent("drift")))


def evidence(record: BatchDriftRecord) -> BatchDriftRecord.Evidence:
    """What a verdict on a batch rests on, which could be compared."""
    return expect(BatchDriftRecord.Evidence, record.evidence)


def verdict(workspace: Workspace, number: int, severity: Severity = "high") -> BatchDriftRecord:
    """The record of a verdict about the staged model, without the report behind it."""
    model = models.staged(workspace.settings)
    assert model is not None
    return drifting.verdict(workspace, number, severity, model)


def judged(workspace: Workspace) -> list[tuple[DriftRecord, Debounced]]:
    """Every verdict of the ledger, and what N of M says of it."""
    asked = [entry.identity for entry in workspace.ledger.journal("drift")]
    return verdicts.with_debounce(
        workspace.settings, verdicts.near(workspace.settings, workspace.ledger, asked)
    )


@pytest.fixture
def staged(tracked: Workspace, train_csv: bytes) -> Workspace:
    stage(tracked, train_csv)
    return tracked


class TestPending:
    def test_many_reported_scorings_cost_listings_of_their_days_only(self, workspace: Workspace) -> None:
        today = datetime.now(UTC).date()
        for number in range(12):
            scored = Identity("scoring", today, f"object{number}", Variant("v1-abc"))
            record = workspace.ledger.commit(like(ScoredRecord, identity=scored)).record
            drift = Identity.of_drift(scored, record.at)
            workspace.ledger.commit(like(BatchDriftRecord, identity=drift, inputs={"scoring": scored.path}))
        store = CountingStore(workspace.store)
        looked = replace(workspace, store=store, ledger=Ledger(store, workspace.settings.bucket, "dev"))
        assert monitoring.unreported(looked) == []
        assert store.reads == []
        # The journal in four windows of time, and the drift records of a day or, at midnight, of two.
        assert 2 <= len(store.listings) <= 6


class TestParquet:
    """Parquet predictions are judged exactly as CSV ones."""

    @pytest.fixture
    def both(
        self, mlflow_db: Path, make_workspace: Callable[..., Workspace], train_csv: bytes
    ) -> list[Workspace]:
        made = [make_workspace(PREDICTIONS_FORMAT=name) for name in ("csv", "parquet")]
        for workspace in made:
            stage(workspace, train_csv)
        return made

    @pytest.mark.parametrize("given", ["csv", "parquet"])
    def test_the_same_verdict(self, both: list[Workspace], test_csv: bytes, given: str) -> None:
        frame = table(shifted(test_csv)).with_columns(note=pl.lit('a "quoted", note'))
        records = []
        for workspace in both:
            data = csv(frame)
            if given == "parquet":
                out = io.BytesIO()
                frame.write_parquet(out)
                data = out.getvalue()
            records.append(batch(workspace, data))
        from_csv, from_parquet = (record.evidence for record in records)
        assert [record.outcome for record in records] == ["high", "high"]
        for what in ("current", "reference", "evidently", "sentence", "columns"):
            assert getattr(from_parquet, what) == getattr(from_csv, what), what

    def test_read_in_several_batches(
        self, both: list[Workspace], test_csv: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from iris_core.tables import parquet

        monkeypatch.setattr(parquet, "MOST_ROWS", 7)
        outcomes = [batch(workspace, test_csv) for workspace in both]
        from_csv, from_parquet = (evidence(outcome).current for outcome in outcomes)
        assert from_parquet.keys() == from_csv.keys()
        for name, statistics in from_csv.items():
            assert from_parquet[name] == pytest.approx(statistics, rel=1e-12), name
        assert from_parquet["petal_length"]["count"] == 30


class TestVerdict:
    def test_the_course_of_a_drift(self, staged: Workspace, test_csv: bytes) -> None:
        seen, records = [], []
        for data in (test_csv, shifted(test_csv), shifted(test_csv, 2.001)):
            time.sleep(1.01 - time.time() % 1)  # the steps of the history are whole seconds
            records.append(batch(staged, data))
            told = monitoring.conclude(staged, [monitoring.report(staged, records[-1].inputs.scoring)])
            state = evidence(records[-1]).debounce
            assert (told["alert"], told["violations"]) == (state.alert, state.violations)
            seen.append((records[-1].outcome, told["alert"], told["violations"], told["batches"]))
        assert seen == [("none", False, 0, 1), ("high", False, 1, 2), ("high", True, 2, 3)]
        self.check_history(staged, records)

    @staticmethod
    def check_history(workspace: Workspace, records: list[BatchDriftRecord]) -> None:
        [run_id] = {record.outputs.history_run_id for record in records}
        client = tracking.client(workspace.settings)
        course = client.get_metric_history(run_id, "current/petal_length/mean")
        assert course[1].value - course[0].value == pytest.approx(2, abs=0.3)
        severities = client.get_metric_history(run_id, "severity/petal_length")
        assert [point.value for point in severities] == [0, 3, 3]
        assert [point.step for point in course] == [
            int(record.about.landed_at.timestamp()) for record in records
        ]
        assert client.get_run(run_id).info.status == "FINISHED"

    def test_the_spread_that_was_learnt_is_in_the_record(
        self, mlflow_db: Path, make_workspace: Callable[..., Workspace], train_csv: bytes, test_csv: bytes
    ) -> None:
        workspace = make_workspace(DRIFT_LEARN_SPREAD="true", DRIFT_BATCH_SPREAD="0.1")
        stage(workspace, train_csv)
        spreads = []
        for by in range(6):
            spreads.append(evidence(batch(workspace, shifted(test_csv, by / 1_000))).spread)
            time.sleep(1)  # a store tells when an object landed to the second, which orders the batches
        assert [spread.batches for spread in spreads] == [0, 0, 0, 0, 0, 5]
        assert {spread.value for spread in spreads[:5]} == {0.1}

    def test_another_model_starts_anew(self, staged: Workspace, iris_rows: Any, as_csv: Any) -> None:
        verdict(staged, 1)
        stage(staged, as_csv(iris_rows[0][:110]))
        verdict(staged, 2)
        assert [state.violations for _, state in judged(staged)] == [1, 1]

    def test_verdicts_recorded_late_and_out_of_order_give_the_same_alerts(self, staged: Workspace) -> None:
        for number in (3, 1, 2):
            verdict(staged, number)
        states = judged(staged)
        assert [record.inputs.current.version_id for record, _ in states] == ["v1", "v2", "v3"]
        assert [state.alert for _, state in states] == [False, True, True]

    def test_insufficient_takes_no_place_in_the_window(self, staged: Workspace) -> None:
        severities: tuple[Severity, ...] = ("high", "insufficient", "insufficient", "high")
        for number, severity in enumerate(severities):
            verdict(staged, number, severity)
        assert [state.alert for _, state in judged(staged)] == [False, False, False, True]


class TestRetraining:
    @pytest.fixture
    def looping(
        self, mlflow_db: Path, make_workspace: Callable[..., Workspace], train_csv: bytes
    ) -> Workspace:
        workspace = make_workspace(RETRAIN_ON_DRIFT="true", RETRAIN_COOLDOWN_HOURS="0")
        stage(workspace, train_csv)
        return workspace

    @staticmethod
    def drifts(workspace: Workspace, start: int) -> None:
        """Two verdicts that drifted, as many as it takes to alert."""
        for number in (start, start + 1):
            verdict(workspace, number)

    def test_it_is_off_by_default(self, staged: Workspace) -> None:
        self.drifts(staged, 1)
        with pytest.raises(NothingOwed, match="RETRAIN_ON_DRIFT is off"):
            retraining.request(staged)
        with pytest.raises(NothingOwed):
            training.reconcile_training(staged)

    def test_without_an_alert_nothing_is_requested(self, looping: Workspace) -> None:
        verdict(looping, 1)
        with pytest.raises(NothingOwed, match="No alert about the staged model"):
            retraining.request(looping)

    def test_the_loop_runs_once_and_stops(self, looping: Workspace) -> None:
        self.drifts(looping, 1)
        asked = retraining.request(looping)
        assert retraining.request(looping) == asked  # the event may be lost: it is told again
        [first, again] = self.train_again(looping)
        assert again.about == first.about
        assert again.variant.startswith(f"{first.variant}+retrain-")
        with pytest.raises(NothingOwed):
            training.reconcile_training(looping)

        self.drifts(looping, 3)
        for _ in range(2):
            with pytest.raises(NothingOwed, match=r"stopped: .*this data did not end the drift"):
                retraining.request(looping)
        with pytest.raises(NothingOwed):
            training.reconcile_training(looping)
        outcomes = [record.outcome for record in looping.ledger.recent("action")]
        assert outcomes == ["stopped", "requested"]

    def test_runs_side_by_side_ask_once(self, looping: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        self.drifts(looping, 1)
        asked = retraining.request(looping)
        beside = replace(looping, actor=looping.actor.model_copy(update={"run_id": "manual__2"}))
        with pytest.raises(NothingOwed, match=f"was asked for by run {looping.actor.run_id}"):
            retraining.request(beside)
        monkeypatch.setattr(retraining, "TOLD_AGAIN_AFTER", timedelta(0))
        assert retraining.request(beside) == asked  # the event seems to be lost

    @staticmethod
    def train_again(workspace: Workspace) -> list[Record]:
        identity = train(workspace)
        with contextlib.suppress(NothingOwed):  # the gate may refuse a model that is no better
            promotion.register_step(workspace, identity)
        records = list(workspace.ledger.recent("training", outcome="trained"))
        return records[::-1]

    def test_newer_data_opens_the_loop_again(self, looping: Workspace, iris_rows: Any, as_csv: Any) -> None:
        self.drifts(looping, 1)
        retraining.request(looping)
        self.train_again(looping)
        stage(looping, as_csv(iris_rows[0][:110]))
        self.drifts(looping, 3)
        assert "requested" in {record.outcome for record in looping.ledger.recent("action")}
        assert retraining.request(looping)["data"].startswith("s3://")
        assert len(list(requested_retrainings(looping.ledger))) == 2

    def test_newer_data_takes_the_place_of_a_request(
        self, looping: Workspace, iris_rows: Any, as_csv: Any
    ) -> None:
        self.drifts(looping, 1)
        retraining.request(looping)
        landed = put(looping, looping.settings.train_key, as_csv(iris_rows[0][:110]))
        work = training.reconcile_training(looping)
        assert work.object == landed
        assert not work.identity.variant.is_again
        training.train(looping, work)
        promotion.register_step(looping, work.identity)
        with pytest.raises(NothingOwed):
            training.reconcile_training(looping)

    def test_the_same_data_again_is_no_newer_data(self, looping: Workspace, train_csv: bytes) -> None:
        """As a job uploads it each night."""
        self.drifts(looping, 1)
        retraining.request(looping)
        put(looping, looping.settings.train_key, train_csv)
        [first, again] = self.train_again(looping)
        assert again.about == first.about
        self.drifts(looping, 3)
        put(looping, looping.settings.train_key, train_csv)
        with pytest.raises(NothingOwed):
            training.reconcile_training(looping)
        with pytest.raises(NothingOwed, match=r"stopped: .*this data did not end the drift"):
            retraining.request(looping)

    def test_data_that_was_rejected_is_not_trained_on_again(self, looping: Workspace) -> None:
        self.drifts(looping, 1)
        put(looping, looping.settings.train_key, b"nothing,useful\n1,2\n")
        with pytest.raises(NothingOwed, match="has not been trained on yet"):
            retraining.request(looping)
        with pytest.raises(DataRejected):
            training.validate(looping, training.reconcile_training(looping))
        with pytest.raises(NothingOwed, match="was rejected: correct it"):
            retraining.request(looping)


def predictions_of(rows: pl.DataFrame) -> bytes:
    return csv(rows.with_columns(prediction=pl.lit("setosa")) if "prediction" not in rows.columns else rows)


class TestBadInput:
    """The predictions object is what it should not be; the report must say so, and never alarm by mistake."""

    @staticmethod
    def report_on(workspace: Workspace, data: bytes) -> BatchDriftRecord:
        """A scoring whose published predictions are `data`; validation lets few of these through."""
        model = models.staged(workspace.settings)
        assert model is not None
        landed = put(workspace, workspace.settings.test_key, data)
        published = put(workspace, "iris/predictions/odd.csv", data)
        scored = like(
            ScoredRecord,
            identity=Identity.of_object("scoring", landed, model.variant),
            inputs={"object": landed, "model": model},
            outputs={"predictions": published},
        )
        workspace.ledger.commit(scored)
        told = monitoring.report(workspace, scored.identity.path)
        record = expect(BatchDriftRecord, next(workspace.ledger.recent("drift")))
        assert told["sentence"] == record.reason
        assert record.reason.endswith((".", ")"))
        assert "Traceback" not in record.reason
        assert "\n" not in record.reason
        with pytest.raises(NothingOwed):
            monitoring.plan_reports(workspace)
        return record

    @pytest.fixture
    def rows(self, train_csv: bytes) -> pl.DataFrame:
        """Rows as the model knows them, with their true class as the prediction."""
        frame = table(train_csv)
        return frame.with_columns(prediction=frame["species"])

    def test_each_has_its_verdict(self, staged: Workspace, rows: pl.DataFrame) -> None:
        """One model for all: training it takes longer than to judge a batch."""
        even = pl.int_range(pl.len()) % 2 == 0
        holes = pl.when(even).then(float("inf")).otherwise(pl.col("sepal_width")).alias("sepal_width")
        new = pl.when(even).then(pl.lit("nova")).otherwise(pl.col("prediction")).alias("prediction")
        empty = pl.lit(None, dtype=pl.Float64).alias("sepal_width")
        cases: list[tuple[bytes, str, str]] = [
            (csv(rows), "none", "No drift seen in 4 of 4 features"),
            (csv(rows.head(0)), "insufficient", "judge: 0 current rows, at least 20 are needed."),
            (b"", "insufficient", "no bytes"),
            (csv(rows.head(1)), "insufficient", "judge: 1 current row, at least 20 are needed."),
            (csv(rows.with_columns(empty)), "high", "sepal_width is missing in 100 % of the rows (0 % in"),
            (csv(rows.drop("petal_width")), "insufficient", "column 'petal_width': found no such column"),
            (
                csv(rows.with_columns(petal_width=pl.lit("wide"))),
                "insufficient",
                "text ('wide') and no number",
            ),
            (csv(rows.with_columns(sepal_width=pl.lit(3.0))), "high", "sepal_width is 3 cm in every row"),
            (csv(rows.with_columns(holes)), "high", "sepal_width is infinite in 50 % of the rows"),
            (
                csv(rows.drop("species").with_columns(new)),
                "high",
                "50 % of the predictions moved to other classes",
            ),
        ]
        for data, outcome, words in cases:
            record = self.report_on(staged, data)
            assert (record.outcome, words in record.reason) == (outcome, True), record.reason

    def test_the_training_table_and_its_profile_are_gone(self, staged: Workspace, rows: pl.DataFrame) -> None:
        [trained] = expect_all(TrainedRecord, staged.ledger.recent("training"))
        landed = trained.about
        staged.store.admin.remove_object(landed.bucket, landed.key, version_id=landed.version_id)
        for key in list(staged.store.keys(landed.bucket, "profiles")):
            staged.store.delete(landed.bucket, key)
        record = self.report_on(staged, csv(rows))
        assert record.outcome == "insufficient"
        assert landed.uri.partition("?")[0] in record.reason
        assert "is not there" in record.reason


def test_statistics_cover_every_row_when_the_sample_does_not(
    staged: Workspace, rows_of: Callable[[int], bytes]
) -> None:
    found = evidence(TestBadInput.report_on(staged, rows_of(60_000)))
    assert found.current["sepal_width"]["count"] == 60_000
    assert {test["current"] for test in found.evidently} == {10_000}


@pytest.fixture
def rows_of(train_csv: bytes) -> Callable[[int], bytes]:
    def drawn(n: int) -> bytes:
        frame = table(train_csv)
        chosen = frame[np.random.default_rng(1).integers(0, frame.height, n)]
        return csv(chosen.drop("species").with_columns(prediction=chosen["species"]))

    return drawn
