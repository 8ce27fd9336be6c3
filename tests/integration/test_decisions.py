"""Questions to a ledger with a life in it: trainings, a rollback, scorings, drift; and the commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from iris_core import models, promotion, scoring, training
from iris_core.cli import app
from iris_core.errors import PromotionRefused
from iris_core.history.queries import Question, matching, staged_at, stagings, story
from iris_core.history.story import paragraph
from iris_core.ledger import Identity, Record
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from tests.loop import score_whole
from tests.records import expect, like

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Rows = tuple[list[str], list[str]]
AsCsv = Callable[[list[str]], bytes]
run = CliRunner().invoke


def train(workspace: Workspace, data: bytes) -> Record:
    workspace.store.put(workspace.settings.bucket, workspace.settings.train_key, data, "text/csv")
    work = training.train(workspace, training.reconcile_training(workspace))
    return promotion.promote(workspace, expect(TrainedRecord, workspace.ledger.get(work.identity)))


@pytest.fixture
def lived(tracked: Workspace, iris_rows: Rows, as_csv: AsCsv, test_csv: bytes) -> Workspace:
    """Version 1 staged and used, version 2 staged, then back to 1; a drift verdict on the scoring."""
    train(tracked, as_csv(iris_rows[0]))
    tracked.store.put(tracked.settings.bucket, tracked.settings.test_key, test_csv, "text/csv")
    [work] = scoring.plan(tracked)
    scoring.publish_all(tracked, [score_whole(tracked, work)])
    [scored] = tracked.ledger.recent_of(ScoredRecord)
    drift = like(
        BatchDriftRecord,
        outcome="low",
        identity=Identity.of_drift(scored.identity, scored.at),
        reason="petal_length moved by 0.2 standard deviations.",
        inputs={"scoring": scored.identity.path, "model": scored.model},
    )
    tracked.ledger.commit(drift)
    train(tracked, as_csv(iris_rows[0][:110]))
    promotion.rollback(tracked, 1, "2 confuses two species", datetime.now(UTC))
    return tracked


def moments(workspace: Workspace) -> list[datetime]:
    return [record.at for record in stagings(workspace.ledger)][::-1]


class TestQuestions:
    def test_by_kind_outcome_time_and_version(self, lived: Workspace) -> None:
        def found(**wanted: Any) -> list[tuple[str, str]]:
            return [(r.kind, r.outcome) for r in matching(lived.ledger, Question(**wanted))]

        first, second, rolled_back = moments(lived)
        assert found(kinds=("promotion",)) == [
            ("promotion", "rolled back"),
            ("promotion", "promoted"),
            ("promotion", "promoted"),
        ]
        assert found(outcome="low") == [("drift", "low")]
        assert found(since=rolled_back) == [("promotion", "rolled back")]
        assert found(until=first) == [("training", "trained")]
        assert found(since=first, until=second, kinds=("promotion",)) == [("promotion", "promoted")]
        assert found(version=2) == [("promotion", "promoted"), ("training", "trained")]
        assert found(version=1) == [
            ("promotion", "rolled back"),
            ("drift", "low"),
            ("scoring", "scored"),
            ("promotion", "promoted"),
            ("training", "trained"),
        ]

    def test_what_was_staged_when(self, lived: Workspace) -> None:
        first, second, rolled_back = moments(lived)
        later = timedelta(microseconds=1)

        def version(moment: datetime) -> int | None:
            found = staged_at(lived.ledger, moment)
            return found.model.version if found else None

        assert version(first) is None
        assert [version(moment + later) for moment in (first, second, rolled_back)] == [1, 2, 1]
        assert version(second) == 1

    def test_a_late_verdict_on_an_older_model_did_not_stage_it(
        self, tracked: Workspace, iris_rows: Rows, as_csv: AsCsv
    ) -> None:
        records = []
        for rows in (120, 110):
            data = as_csv(iris_rows[0][:rows])
            tracked.store.put(tracked.settings.bucket, tracked.settings.train_key, data, "text/csv")
            work = training.train(tracked, training.reconcile_training(tracked))
            records.append(expect(TrainedRecord, tracked.ledger.get(work.identity)))
        for record in reversed(records):
            promotion.promote(tracked, record)
        standing, now = staged_at(tracked.ledger, datetime.now(UTC)), models.staged(tracked.settings)
        assert standing is not None
        assert now is not None
        assert (standing.model.version, now.version) == (1, 1)
        assert len(list(stagings(tracked.ledger))) == 1


class TestStory:
    def test_reads_like_a_paragraph(self, lived: Workspace) -> None:
        told = paragraph(story(lived.ledger, 1))
        trained = expect(TrainedRecord, next(lived.ledger.recent("training")))
        uri = trained.about.uri.partition("?")[0]
        for part in (
            f"Version 1 of {lived.settings.names.model} was trained on ",
            f"from {uri}?versionId=",
            "120 rows, of which 24 were kept back to judge it",
            "started by tester in run manual__1 of a_dag, with code version test.",
            "On those 24 rows ",
            "always answering 'setosa' would have been right on 33.3%",
            "There was no champion to compare it with: no version of ",
            "It was promoted on ",
            "it was rolled back to in place of version 2 by tester",
            ": 2 confuses two species.",
            "By these decisions it is the staged version now.",
            "It has scored one table (30 rows), last s3://",
            "judged low once; the last verdict: petal_length moved by 0.2 standard deviations.",
        ):
            assert part in told, told
        assert "  " not in told
        assert ".." not in told

    def test_of_the_one_that_lost_its_place(self, lived: Workspace) -> None:
        told = paragraph(story(lived.ledger, 2))
        assert "The champion then, version 1, was right on " in told
        assert " version 1 took its place, by a rollback (2 confuses two species)." in told
        assert "It has scored nothing." in told

    def test_of_a_refused_one(self, tracked: Workspace, iris_rows: Rows, as_csv: AsCsv) -> None:
        mixed = [
            line.replace("versicolor", "virginica") if n % 4 == 0 else line
            for n, line in enumerate(iris_rows[0])
        ]
        raised = tracked.settings.model_copy(update={"accuracy_threshold": 1.0})
        object.__setattr__(tracked, "settings", raised)
        with pytest.raises(PromotionRefused):
            train(tracked, as_csv(mixed))
        told = paragraph(story(tracked.ledger, 1))
        assert "It was refused on " in told
        assert "is below ACCURACY_THRESHOLD=1" in told
        assert "It is not staged." in told

    def test_of_a_version_that_never_was(self, lived: Workspace) -> None:
        with pytest.raises(PromotionRefused, match="no decision about version 7"):
            story(lived.ledger, 7)


class TestCommands:
    @pytest.fixture(autouse=True)
    def deployed(self, lived: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        settings = lived.settings
        for name, value in {
            "IRIS_HOME": str(tmp_path / ".iris"),
            "COLUMNS": "200",
            "TEAM": settings.team,
            "MLFLOW_TRACKING_URI": settings.tracking_uri,
            "MLFLOW_S3_ENDPOINT_URL": settings.s3_endpoint_url,
            "AWS_ACCESS_KEY_ID": lived.store.access.access_key_id,
            "AWS_SECRET_ACCESS_KEY": lived.store.access.secret_access_key,
            "RUN_OWNER": "jane",
        }.items():
            monkeypatch.setenv(name, value)

    def test_ledger(self) -> None:
        shown = run(app, ["ledger", "--version", "2"])
        assert shown.exit_code == 0, shown.output
        rows = [line.split() for line in shown.output.splitlines() if line[:2] == "20"]
        assert [row[2:5] for row in rows] == [
            ["promotion", "promoted", "2"],
            ["training", "trained", "iris/iris_train.csv"],
        ]
        refused = run(app, ["ledger", "--outcome", "refused", "--json"])
        assert json.loads(refused.stdout) == []

    def test_ledger_at(self, lived: Workspace) -> None:
        _, second, _ = moments(lived)
        moment = (second + timedelta(microseconds=1)).isoformat()
        assert json.loads(run(app, ["ledger", "at", moment, "--json"]).stdout)["inputs"]["version"] == "2"
        assert "version 2 of" in run(app, ["ledger", "at", moment]).output
        assert "Nothing was staged at" in run(app, ["ledger", "at", "2001-01-01T12:00"]).output
        wrong = run(app, ["ledger", "at", "yesterday"])
        assert wrong.exit_code == 2
        assert "Example: 2026-11-01T12:00" in wrong.output

    def test_explain(self) -> None:
        told = run(app, ["explain", "2"])
        assert told.exit_code == 0, told.output
        assert told.output.startswith("Version 2 of ")
        assert json.loads(run(app, ["explain", "2", "--json"]).stdout)["training"]["outcome"] == "trained"
        assert run(app, ["explain", "9"]).exit_code == 1

    def test_rollback_goes_to_the_one_before_and_says_who(self, lived: Workspace) -> None:
        done = run(app, ["rollback", "--reason", "1 was no better", "--json"])
        assert done.exit_code == 0, done.output
        record = json.loads(done.stdout)
        assert (record["inputs"]["version"], record["by"]["owner"]) == ("2", "jane")
        staged = models.staged(lived.settings)
        assert staged is not None
        assert staged.version == 2
        again = run(app, ["rollback", "2", "--reason", "sure"])
        assert again.exit_code == 1
        assert "already staged" in again.output
        assert run(app, ["rollback"]).exit_code == 2
