"""The gate in the pipeline: what is measured, stored before the verdict, refused, approved by a human."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pytest

from iris_core import models, promotion
from iris_core.errors import PromotionRefused, StoreError
from iris_core.ledger import Outcome
from iris_core.ledger.records.gate import GateEvidence
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.promotion.gate import gate_verdict
from tests.records import expect
from tests.registry import client, train_one

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Rows = tuple[list[str], list[str]]
AsCsv = Callable[[list[str]], bytes]


def inches(line: str) -> str:
    *values, label = line.split(",")
    return ",".join([*(f"{float(value) / 2.54:.2f}" for value in values), label])


def verdict_on(workspace: Workspace, record: TrainedRecord) -> VerdictRecord:
    found = promotion.verdict_on(workspace, record)
    assert found is not None
    return found


class TestEvidence:
    def test_the_ledger_and_mlflow_hold_the_same_and_it_can_be_judged_again(
        self, tracked: Workspace, train_csv: bytes, tmp_path: Path
    ) -> None:
        record = train_one(tracked, train_csv)
        verdict = promotion.promote(tracked, record)
        evidence = expect(GateEvidence, verdict.evidence)
        assert evidence.accuracy == record.evidence.accuracy
        assert gate_verdict(evidence).reason == verdict.reason
        path = client(tracked).download_artifacts(
            record.outputs.run_id, "promotion/evidence.json", str(tmp_path)
        )
        stored = json.loads(Path(path).read_text())
        assert {check["name"]: check["passed"] for check in stored.pop("checks")}["floor"] is True
        assert GateEvidence.model_validate(stored) == evidence
        run = client(tracked).get_run(record.outputs.run_id)
        assert run.data.metrics["gate/accuracy"] == evidence.accuracy
        assert run.data.tags["iris.gate"] == "passed"
        assert run.info.status == "FINISHED"

    def test_the_holdout_is_found_again_by_its_digest(self, tracked: Workspace, train_csv: bytes) -> None:
        record = train_one(tracked, train_csv)
        evidence = expect(GateEvidence, promotion.promote(tracked, record).evidence)
        tracked.store.put(tracked.settings.bucket, tracked.settings.train_key, b"newer", "text/csv")
        parts = promotion.drawn(tracked, record)
        assert parts.holdout.digest() == evidence.holdout.digest
        assert evidence.holdout.object == record.about.uri

    def test_the_champion_answers_the_same_rows_and_those_it_saw_are_counted(
        self, tracked: Workspace, iris_rows: Rows, as_csv: AsCsv
    ) -> None:
        first = train_one(tracked, as_csv(iris_rows[0][:90]))
        promotion.promote(tracked, first)
        second = train_one(tracked, as_csv(iris_rows[0]))
        champion = expect(GateEvidence, promotion.promote(tracked, second).evidence).champion
        assert champion is not None
        assert champion.version == 1
        learned = {tuple(row) for row in promotion.drawn(tracked, first).learned.features.to_numpy()}
        holdout = promotion.drawn(tracked, second).holdout
        seen = sum(tuple(row) in learned for row in holdout.features.to_numpy())
        assert champion.rows_seen == seen > 0

    def test_evidence_is_stored_before_the_verdict(
        self, tracked: Workspace, train_csv: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record = train_one(tracked, train_csv)

        def no_commit(*_: Any, **__: Any) -> None:
            raise StoreError("the store is away")

        monkeypatch.setattr("iris_core.ledger.Ledger.commit", no_commit)
        with pytest.raises(StoreError):
            promotion.promote(tracked, record)
        assert client(tracked).get_run(record.outputs.run_id).data.tags["iris.gate"] == "passed"
        assert models.staged(tracked.settings) is None

    def test_a_version_leads_to_its_object_and_back(self, tracked: Workspace, train_csv: bytes) -> None:
        record = train_one(tracked, train_csv)
        promotion.promote(tracked, record)
        name = tracked.settings.names.model
        tags = client(tracked).get_model_version(name, "1").tags
        assert tags["iris.object.uri"] == record.about.uri
        assert tags["iris.config"] == record.inputs.config.variant
        assert (tags["iris.owner"], tags["iris.dag_run_id"], tags["iris.code_version"]) == (
            "tester",
            "manual__1",
            "test",
        )
        [back] = client(tracked).search_model_versions(
            f"name = '{name}' and tags.`iris.object.digest` = '{record.about.digest}'"
        )
        assert back.version in ("1", 1)
        [run] = mlflow.search_runs(
            experiment_names=[tracked.settings.names.training_experiment],
            filter_string=f"dataset.digest = '{record.about.digest}'",
            output_format="list",
        )
        assert run.info.run_id == record.outputs.run_id


class TestRefused:
    @pytest.mark.parametrize("has_champion", [False, True])
    def test_a_table_in_inches_is_refused_and_nothing_moves(
        self,
        make_workspace: Callable[..., Workspace],
        mlflow_db: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        iris_rows: Rows,
        as_csv: AsCsv,
        has_champion: bool,
    ) -> None:
        """It learns well from itself, so only the columns' means tell. Ranges that let it pass validation."""
        project = json.loads((Path(__file__).parents[2] / "project.json").read_text())
        for feature in project["table"]["features"]:
            feature["min"] = 0.01
        (tmp_path / "project.json").write_text(json.dumps(project))
        monkeypatch.setenv("IRIS_PROJECT_FILE", str(tmp_path / "project.json"))
        tracked = make_workspace()
        if has_champion:
            promotion.promote(tracked, train_one(tracked, as_csv(iris_rows[0])))
        record = train_one(tracked, as_csv([inches(line) for line in iris_rows[0]]))
        assert record.evidence.accuracy > 0.8
        with pytest.raises(PromotionRefused, match=r"mean of sepal_length is 2\.29 cm, typically 5 to 7 cm"):
            promotion.register_step(tracked, record.identity.path)
        verdict = verdict_on(tracked, record)
        assert verdict.outcome == Outcome.REFUSED
        assert expect(GateEvidence, verdict.evidence).holdout_rows == 24
        staged = models.staged(tracked.settings)
        assert (staged.version if staged else None) == (1 if has_champion else None)
        assert client(tracked).get_run(record.outputs.run_id).data.tags["iris.gate"] == "failed"

    def test_a_table_that_is_gone_cannot_be_judged(
        self, mlflow_db: Path, make_workspace: Callable[..., Workspace], iris_rows: Rows, as_csv: AsCsv
    ) -> None:
        unversioned = make_workspace(versioned=False)
        record = train_one(unversioned, as_csv(iris_rows[0]))
        unversioned.store.put(
            unversioned.settings.bucket, unversioned.settings.train_key, b"other bytes", "text/csv"
        )
        with pytest.raises(PromotionRefused, match="its holdout cannot be drawn again"):
            promotion.promote(unversioned, record)
        assert isinstance(verdict_on(unversioned, record).evidence, VerdictRecord.Nothing)


def test_the_identity_of_a_verdict_is_the_runs(tracked: Workspace, train_csv: bytes) -> None:
    record = train_one(tracked, train_csv)
    verdict = promotion.promote(tracked, record)
    assert verdict.identity.path == f"promotion/{datetime.now(UTC).date()}/{record.run_id}/verdict"
