"""The state of a project as the page and `iris status` show it: from real decisions, at a bounded cost."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from iris_core import monitoring, promotion, scoring, training
from iris_core.errors import DataRejected
from iris_core.ledger import Identity, Ledger
from iris_core.ledger.records.action import AlertRecord
from iris_core.ledger.records.drift import BatchDriftRecord, PerformanceDriftRecord
from iris_core.ledger.records.objects import FailedRecord, ReopenedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.workspace import Workspace
from iris_core.overview import LastLook, Overview, overview
from iris_core.overview.recent import LOOKED_AT, SHOWN
from iris_core.overview.replies import replies
from iris_core.overview.reply import Seen
from iris_core.overview.waiting import OwedNow
from iris_core.store.objects import ObjectVersion
from tests.conftest import MakeWorkspace
from tests.counting import CountingStore
from tests.loop import score_whole
from tests.records import asking, like

pytestmark = pytest.mark.integration

Rows = tuple[list[str], list[str]]
AsCsv = Callable[[list[str]], bytes]


def reply(found: Overview, question: str) -> Any:
    [wanted] = [one for one in found.replies if one.question.startswith(question)]
    return wanted


def upload(workspace: Workspace, key: str, data: bytes) -> ObjectVersion:
    return workspace.store.put(workspace.settings.bucket, key, data, "text/csv")


def scored(workspace: Workspace, number: int, at: datetime, **evidence: Any) -> ScoredRecord:
    """The record of a scoring of a table that landed two seconds before; without the scoring."""
    version = ObjectVersion(
        bucket=workspace.settings.bucket,
        key=f"iris/in/{number:06}.csv",
        version_id=f"v{number}",
        etag="e",
        size=1,
        landed_at=at - timedelta(seconds=2),
    )
    sample = like(ScoredRecord)
    identity = Identity.of_object("scoring", version, sample.model.variant)
    record = like(ScoredRecord, identity=identity, at=at, inputs={"object": version}, evidence=evidence)
    workspace.ledger.commit(record)
    return record


def judged(workspace: Workspace, scoring: ScoredRecord, severity: str) -> BatchDriftRecord:
    record = like(
        BatchDriftRecord,
        outcome=severity,
        identity=Identity.of_drift(scoring.identity, scoring.at),
        at=scoring.at + timedelta(seconds=3),
        inputs={"scoring": scoring.identity.path, "current": scoring.about, "model": scoring.model},
    )
    workspace.ledger.commit(record)
    return record


class TestNothingYet:
    def test_it_says_what_to_upload_and_how(self, workspace: Workspace) -> None:
        found = overview(workspace)
        settings = workspace.settings
        assert found.staged is None
        assert (found.scorings, found.drift, found.refusals, found.owed.counts) == ((), (), (), {})
        assert [part.last for part in found.loop] == [None] * 6
        assert reply(found, "What is staged").sentence == "Nothing is staged yet."
        assert "iris upload train.csv --as train" in reply(found, "What should I do").sentence
        assert [hint.mc for hint in found.uploads] == [
            f"mc cp train.csv minio/{settings.bucket}/iris/iris_train.csv",
            f"mc cp test.csv minio/{settings.bucket}/iris/iris_test.csv",
            f"mc cp labels.csv minio/{settings.bucket}/iris/labels/labels.csv",
        ]
        assert found.uploads[0].columns[-1] == "species"

    def test_a_model_that_somebody_staged_by_hand_is_told_of(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(importlib.import_module("iris_core.overview.overview"), "aliased", lambda _: 7)
        assert reply(overview(workspace), "What is staged").sentence.startswith("Version 7: somebody staged")

    def test_it_is_json(self, workspace: Workspace) -> None:
        found = overview(workspace)
        assert Overview.model_validate_json(found.model_dump_json()) == found


class TestAProjectThatLived:
    """Trained, staged, scored, judged, all by the pipelines' own steps."""

    @pytest.fixture
    def lived(self, tracked: Workspace, train_csv: bytes, test_csv: bytes) -> Workspace:
        upload(tracked, tracked.settings.train_key, train_csv)
        work = training.train(tracked, training.validate(tracked, training.reconcile_training(tracked)))
        promotion.register_step(tracked, work.identity)
        upload(tracked, tracked.settings.test_key, test_csv)
        [piece] = scoring.plan(tracked)
        scoring.publish_all(tracked, [score_whole(tracked, piece)])
        [owed] = monitoring.plan_reports(tracked)
        monitoring.report(tracked, owed)
        return tracked

    def test_every_number_is_that_of_a_record(self, lived: Workspace) -> None:
        found = overview(lived)
        assert found.staged is not None
        assert found.staged.measured is not None
        [verdict] = lived.ledger.recent("promotion")
        [table], [record] = found.scorings, lived.ledger.recent("scoring")
        [point], [drift] = found.drift, lived.ledger.recent("drift")
        assert found.staged.version == 1
        assert found.staged.rows == 120
        assert found.staged.trace.record == verdict.identity.path
        assert found.staged.measured.score == getattr(verdict.evidence, "accuracy")  # noqa: B009
        assert (table.trace.record, table.rows, table.rejected) == (record.identity.path, 30, 0)
        assert sum(table.classes.values()) == 30
        assert table.rows_per_second is not None
        assert table.rows_per_second == pytest.approx(30 / getattr(record.evidence, "seconds"))  # noqa: B009
        assert (point.trace.record, point.severity) == (drift.identity.path, drift.outcome)
        assert point.report.endswith(".html") or "report.html" in point.report

    def test_features_have_reference_and_limits(self, lived: Workspace) -> None:
        found = {one.name: one for one in overview(lived).features}
        assert set(found) == set(lived.settings.project.table.feature_names)
        petal = found["petal_length"]
        [point] = petal.points
        assert point.low is not None
        assert point.high is not None
        assert point.low < point.reference < point.high
        assert point.value == petal.now["mean"]
        assert point.reference == petal.was["mean"]
        assert petal.unit == "cm"

    def test_loops_and_replies(self, lived: Workspace) -> None:
        found = overview(lived)
        [loop] = found.loops
        assert loop.to_verdict is not None
        assert 0 <= loop.to_predictions <= loop.to_verdict
        assert reply(found, "Was the newest").sentence.startswith("Yes: s3://")
        assert "Version 1 of" in reply(found, "What is staged").sentence
        assert found.owed.counts == {}
        assert found.owed.is_complete

    @pytest.mark.parametrize(
        ("aliased", "said"), [(7, "Version 7 of"), (0, "Nothing: somebody deleted"), (None, ""), (1, "")]
    )
    def test_an_alias_that_was_moved_by_hand_is_told_of(
        self, lived: Workspace, aliased: int | None, said: str
    ) -> None:
        staged = overview(lived).staged
        assert staged
        assert staged.version == 1
        moved = staged.model_copy(update={"aliased": aliased})
        nothing = OwedNow(counts={}, oldest=(), is_complete=True)
        found = replies(lived.settings, Seen(moved, [], [], [], [], nothing), datetime.now(UTC))
        assert found[0].sentence.startswith(said or "Version 1 of")
        assert found[0].tone == ("note" if said else "good")
        assert ("If that was not meant: iris rollback 1" in found[-1].sentence) == bool(said)

    def test_a_refused_table_is_told_of_until_a_sound_one_is_used(
        self, lived: Workspace, iris_rows: Rows, as_csv: AsCsv
    ) -> None:
        upload(lived, lived.settings.train_key, b"nothing,useful\n1,2\n")
        work = training.reconcile_training(lived)
        with pytest.raises(DataRejected):
            training.validate(lived, work)
        found = overview(lived)
        [refused] = found.refusals
        assert "sepal_length" in refused.trace.reason
        assert "/quarantine/" in refused.kept
        assert reply(found, "What was refused").tone == "bad"
        assert "upload it again" in reply(found, "What should I do").sentence
        upload(lived, lived.settings.train_key, as_csv(iris_rows[0][:110]))
        training.train(lived, training.validate(lived, training.reconcile_training(lived)))
        assert reply(overview(lived), "What was refused").tone == "note"

    def test_what_lands_is_owed(self, lived: Workspace, test_csv: bytes) -> None:
        landed = upload(lived, lived.settings.test_key, test_csv + b"5.1,3.5,1.4,0.2,setosa\n")
        found = overview(lived)
        assert found.owed.counts == {"scoring": 1}
        assert found.owed.oldest[0].what == landed.uri
        assert reply(found, "Was the newest").tone == "note"
        later = overview(lived, datetime.now(UTC) + timedelta(hours=2))
        assert reply(later, "Was the newest").tone == "bad"
        assert "iris doctor" in reply(later, "What should I do").sentence

    def test_after_a_rollback_the_newest_table_is_owed_to_the_staged_version(
        self, lived: Workspace, iris_rows: Rows, as_csv: AsCsv
    ) -> None:
        upload(lived, lived.settings.train_key, as_csv(iris_rows[0][:110]))
        work = training.train(lived, training.validate(lived, training.reconcile_training(lived)))
        promotion.register_step(lived, work.identity)
        told = reply(overview(lived), "Was the newest")
        assert "Version 2, which is staged now, has not scored it yet." in told.sentence
        assert told.tone == "note"


class TestWhatWaits:
    def test_a_request_is_first(self, workspace: Workspace) -> None:
        asked = asking()
        workspace.ledger.commit(asked)
        found = overview(workspace)
        assert [one.version for one in found.waiting] == [asked.model.version]
        told = reply(found, "What should I do").sentence
        assert f"iris approve {asked.model.version} --reason" in told

    def test_what_failed_can_be_retried_until_it_is_reopened(self, workspace: Workspace) -> None:
        failed = like(FailedRecord)
        workspace.ledger.commit(failed)
        [refused] = overview(workspace).refusals
        assert refused.is_open
        assert f"retry '{failed.about.uri}'" in reply(overview(workspace), "What should I do").sentence
        again = like(ReopenedRecord, identity=failed.identity.again(1), at=failed.at + timedelta(seconds=1))
        workspace.ledger.commit(again)
        [refused] = overview(workspace).refusals
        assert not refused.is_open

    def test_an_alert_names_its_record(self, workspace: Workspace) -> None:
        alert = like(AlertRecord)
        workspace.ledger.commit(alert)
        [sent] = overview(workspace).actions
        assert (sent.trace.record, sent.about) == (alert.identity.path, alert.inputs.verdict)
        assert sent.channel == alert.evidence.channel

    def test_a_prefix_is_looked_at(self, make_workspace: MakeWorkspace, test_csv: bytes) -> None:
        workspace = make_workspace(TEAM_S3_TEST_KEY="iris/in/")
        done, open_ = (upload(workspace, f"iris/in/{name}.csv", test_csv) for name in ("a", "b"))
        identity = Identity.of_object("scoring", done, like(ScoredRecord).model.variant)
        workspace.ledger.commit(like(ScoredRecord, identity=identity, inputs={"object": done}))
        owed = overview(workspace).owed
        assert [one.what for one in owed.oldest if one.kind == "scoring"] == [open_.uri]
        assert [one.what for one in owed.oldest if one.kind == "drift"] == [identity.path]
        assert owed.is_complete


class TestCost:
    def test_it_reads_what_it_shows(self, workspace: Workspace) -> None:
        """So many requests with a past of 40 scorings, and not more with one of 240."""
        costs = []
        began = datetime.now(UTC) - timedelta(hours=6)
        for more in (range(40), range(40, 240)):
            for number in more:
                judged(workspace, scored(workspace, number, began + timedelta(minutes=number)), "high")
            store = CountingStore(workspace.store)
            settings = workspace.settings
            counted = Workspace(settings, store, Ledger(store, settings.bucket, settings.names.section))
            found = overview(counted)
            assert len(found.scorings) == len(found.drift) == SHOWN
            costs.append((len(store.reads), len(store.listings)))
        assert costs[0][0] == costs[1][0] <= 2 * SHOWN + 6
        assert costs[1][1] <= costs[0][1] + 6
        assert LOOKED_AT < 240

    def test_who_keeps_the_last_look_sees_the_same_and_reads_what_is_new(self, workspace: Workspace) -> None:
        began, last = datetime.now(UTC) - timedelta(hours=60), LastLook()
        for number in range(LOOKED_AT + 20):
            scored(workspace, number, began + timedelta(minutes=10 * number))
        store = CountingStore(workspace.store)
        settings = workspace.settings
        counted = Workspace(settings, store, Ledger(store, settings.bucket, settings.names.section))
        overview(counted, last=last)
        first = len(store.reads)
        assert set(last.floors) == {"scoring"}
        assert len(last.records) == SHOWN
        scored(workspace, 900, datetime.now(UTC))
        found = overview(counted, last=last)
        assert len(store.reads) - first <= first - (SHOWN - 1)
        assert found == overview(workspace, found.at)
        assert found.scorings[0].trace.object.startswith(f"s3://{workspace.settings.bucket}/iris/in/000900")
        assert len(last.records) == SHOWN

    def test_an_attempt_that_did_not_commit_is_not_shown(self, workspace: Workspace) -> None:
        record = scored(workspace, 1, datetime.now(UTC))
        lost = record.model_copy(update={"at": record.at + timedelta(seconds=1)})
        entry, _ = workspace.ledger.keys_of(lost)
        workspace.store.create(workspace.settings.bucket, entry, b"", "application/octet-stream")
        [table] = overview(workspace).scorings
        assert table.trace.at == record.at

    def test_older_records_have_no_speed(self, workspace: Workspace) -> None:
        scored(workspace, 1, datetime.now(UTC))
        [table] = overview(workspace).scorings
        assert table.rows_per_second is None
        assert json.loads(table.model_dump_json())["seconds"] is None


def test_a_sound_verdict_on_labels_does_not_hide_a_batch_that_drifts(workspace: Workspace) -> None:
    now = datetime.now(UTC)
    judged(workspace, scored(workspace, 1, now - timedelta(minutes=2)), "medium")
    workspace.ledger.commit(like(PerformanceDriftRecord, outcome="low", at=now))
    assert reply(overview(workspace), "Is it drifting").trace.outcome == "medium"


def test_the_newest_drift_that_could_be_judged_counts(workspace: Workspace) -> None:
    now = datetime.now(UTC)
    judged(workspace, scored(workspace, 1, now - timedelta(minutes=2)), "high")
    judged(workspace, scored(workspace, 2, now), "insufficient")
    told = reply(overview(workspace), "Is it drifting")
    assert told.tone == "bad"
    assert told.trace.outcome == "high"
