"""A human between the gate and the staging: asked, answering later or never, and holding nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from iris_core import models, promotion, training
from iris_core.cli import app
from iris_core.errors import AlertUndelivered, ApprovalAwaited, NothingOwed, PromotionRefused, StoreError
from iris_core.history.queries import staged_at, story
from iris_core.history.story import paragraph
from iris_core.ledger import Ledger, ModelRef, Outcome
from iris_core.ledger.records.action import AlertRecord
from iris_core.ledger.records.gate import Approval, GateEvidence
from iris_core.ledger.records.promotion import AskedRecord, VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.requests import open_requests
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import alerts
from tests.records import expect
from tests.registry import client, train_one

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Rows = tuple[list[str], list[str]]
AsCsv = Callable[[list[str]], bytes]
Upload = Callable[[int], TrainedRecord]


def yes(by: str = "jane") -> Approval:
    return Approval(approved=True, by=by, at=datetime.now(UTC), reason="it looks right")


def no(by: str = "jane") -> Approval:
    return Approval(approved=False, by=by, at=datetime.now(UTC), reason="the table lacks spring")


def staged(workspace: Workspace) -> int | None:
    found = models.staged(workspace.settings)
    return found.version if found else None


def verdict_on(workspace: Workspace, record: TrainedRecord) -> VerdictRecord | None:
    return promotion.verdict_on(workspace, record)


def evidence_of(verdict: VerdictRecord) -> GateEvidence:
    return expect(GateEvidence, verdict.evidence)


@pytest.fixture
def manual(mlflow_db: Path, make_workspace: Callable[..., Workspace]) -> Workspace:
    return make_workspace(PROMOTION_APPROVAL="manual")


@pytest.fixture
def asked(manual: Workspace, iris_rows: Rows, as_csv: AsCsv) -> Upload:
    """`asked(n)`: a table of its own is trained on, and a human is asked about the model."""

    def upload(number: int) -> TrainedRecord:
        record = train_one(manual, as_csv(iris_rows[0][: 120 - number]))
        with pytest.raises(ApprovalAwaited, match=rf"waits for a human: iris approve {number} --reason"):
            promotion.register_step(manual, record.identity)
        return record

    return upload


class TestAsking:
    def test_the_request_holds_what_a_human_needs(self, manual: Workspace, asked: Upload) -> None:
        record = asked(1)
        [request] = open_requests(manual.ledger)
        assert request.identity.path == f"promotion/{record.at.date()}/{record.run_id}/asked"
        assert request.evidence.accuracy == record.evidence.accuracy
        assert request.reason.startswith("accuracy ")
        assert request.about == record.about
        assert request.outputs.may_answer
        assert (staged(manual), verdict_on(manual, record)) == (None, None)
        assert "a human was asked on" in paragraph(story(manual.ledger, 1))
        assert staged_at(manual.ledger, datetime.now(UTC)) is None

    def test_nobody_else_asks_and_asking_again_changes_nothing(
        self, manual: Workspace, asked: Upload
    ) -> None:
        record = asked(1)
        assert promotion.unfinished(manual) is None
        with pytest.raises(NothingOwed):
            training.reconcile_training(manual)
        with pytest.raises(ApprovalAwaited):
            promotion.register_step(manual, record.identity)
        assert len(list(manual.ledger.recent_of(AskedRecord))) == 1

    def test_where_nobody_needs_to_be_asked_any_more_it_is_owed(
        self, manual: Workspace, asked: Upload, make_workspace: Callable[..., Workspace]
    ) -> None:
        record = asked(1)
        auto = make_workspace(TEAM=manual.settings.team)
        assert promotion.unfinished(auto) == record
        promotion.register_step(auto, record.identity)
        assert staged(auto) == 1
        assert list(open_requests(manual.ledger)) == []

    def test_what_the_gate_refuses_nobody_is_asked_about(
        self, mlflow_db: Path, make_workspace: Callable[..., Workspace], iris_rows: Rows, as_csv: AsCsv
    ) -> None:
        strict = make_workspace(PROMOTION_APPROVAL="manual", ACCURACY_THRESHOLD="1.0")
        mixed = [
            line.replace("versicolor", "virginica") if n % 4 == 0 else line
            for n, line in enumerate(iris_rows[0])
        ]
        record = train_one(strict, as_csv(mixed))
        with pytest.raises(PromotionRefused, match="below ACCURACY_THRESHOLD=1"):
            promotion.register_step(strict, record.identity)
        assert list(open_requests(strict.ledger)) == []


class TestAnswering:
    def test_yes_stages_and_says_who_and_why(self, manual: Workspace, asked: Upload) -> None:
        record = asked(1)
        answer = yes()
        verdict = promotion.answer(manual, 1, answer)
        assert verdict == verdict_on(manual, record)
        assert (verdict.outcome, evidence_of(verdict).approval) == ("promoted", answer)
        assert verdict.reason.startswith("approved by jane: it looks right; accuracy ")
        assert staged(manual) == 1
        assert "approved by jane: it looks right" in paragraph(story(manual.ledger, 1))
        assert list(open_requests(manual.ledger)) == []

    def test_no_leaves_what_is_staged(self, manual: Workspace, asked: Upload) -> None:
        record = asked(1)
        verdict = promotion.answer(manual, 1, no())
        assert (verdict.outcome, staged(manual)) == ("refused", None)
        tags = client(manual).get_model_version(manual.settings.names.model, "1").tags
        assert tags[models.VERDICT_TAG] == "refused"
        with pytest.raises(PromotionRefused, match="rejected by jane: the table lacks spring"):
            promotion.register_step(manual, record.identity)
        with pytest.raises(PromotionRefused, match=r"is refused: rejected by jane.*No model waits"):
            promotion.answer(manual, 1, yes("joe"))
        assert staged(manual) is None

    def test_a_version_that_nobody_is_asked_about(self, manual: Workspace, asked: Upload) -> None:
        asked(1)
        with pytest.raises(
            PromotionRefused, match=r"Nobody is asked about version 7 .* Version 1 waits for one"
        ):
            promotion.answer(manual, 7, yes())

    def test_an_answer_that_died_half_way_is_finished_by_giving_it_again(
        self, manual: Workspace, asked: Upload, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked(1)
        with monkeypatch.context() as patch:
            patch.setattr("iris_core.promotion.staging.stage", _dies)
            with pytest.raises(StoreError):
                promotion.answer(manual, 1, yes())
        assert staged(manual) is None
        promotion.answer(manual, 1, yes())
        assert staged(manual) == 1

    def test_another_champion_since_means_another_judgement(
        self, manual: Workspace, asked: Upload, iris_rows: Rows, as_csv: AsCsv
    ) -> None:
        asked(1)
        promotion.answer(manual, 1, yes())
        record = asked(2)
        [request] = open_requests(manual.ledger)
        assert request.evidence.champion is not None
        assert request.evidence.champion.version == 1
        client(manual).delete_registered_model_alias(manual.settings.names.model, "staging")
        verdict = promotion.answer(manual, 2, yes())
        assert evidence_of(verdict).champion is None
        assert evidence_of(verdict).no_champion.startswith("no version of")
        assert (verdict_on(manual, record), staged(manual)) == (verdict, 2)

    def test_an_approval_does_not_overrule_the_gate(
        self, manual: Workspace, make_workspace: Callable[..., Workspace], iris_rows: Rows, as_csv: AsCsv
    ) -> None:
        """The threshold was raised after somebody had been asked."""
        mixed = [
            line.replace("versicolor", "virginica") if n % 4 == 0 else line
            for n, line in enumerate(iris_rows[0])
        ]
        record = train_one(manual, as_csv(mixed))
        with pytest.raises(ApprovalAwaited):
            promotion.register_step(manual, record.identity)
        raised = make_workspace(
            TEAM=manual.settings.team, PROMOTION_APPROVAL="manual", ACCURACY_THRESHOLD="1.0"
        )
        with pytest.raises(PromotionRefused, match=r"approved by jane.*below ACCURACY_THRESHOLD=1"):
            promotion.answer(raised, 1, yes())
        assert staged(manual) is None


def _dies(*_: Any) -> None:
    raise StoreError("the machine is gone")


class TestANewerRequest:
    def test_replaces_those_that_nobody_has_answered(self, manual: Workspace, asked: Upload) -> None:
        first, second, third = (asked(number) for number in (1, 2, 3))
        assert [request.inputs.version for request in open_requests(manual.ledger)] == [3]
        for record in (first, second):
            replaced = verdict_on(manual, record)
            assert replaced is not None
            assert replaced.outcome == Outcome.SUPERSEDED
        with pytest.raises(
            PromotionRefused,
            match=r"Version 1 of .* is superseded: nobody had answered when version 2, of newer data, was "
            "asked about. Version 3 waits for one: iris approve 3 --reason",
        ):
            promotion.answer(manual, 1, yes())
        assert staged(manual) is None
        promotion.answer(manual, 3, yes())
        assert staged(manual) == 3
        assert verdict_on(manual, third) is not None

    def test_twenty_that_nobody_answers_hold_no_upload(self, manual: Workspace, asked: Upload) -> None:
        records = [asked(number) for number in range(1, 21)]
        assert [request.inputs.version for request in open_requests(manual.ledger)] == [20]
        outcomes = [getattr(verdict_on(manual, record), "outcome", None) for record in records]
        assert outcomes == [*[Outcome.SUPERSEDED] * 19, None]
        promotion.answer(manual, 20, yes())
        assert staged(manual) == 20

    def test_an_older_model_that_comes_late_is_replaced_at_once(
        self, manual: Workspace, iris_rows: Rows, as_csv: AsCsv
    ) -> None:
        older, newer = (train_one(manual, as_csv(iris_rows[0][:rows])) for rows in (110, 120))
        with pytest.raises(ApprovalAwaited):
            promotion.register_step(manual, newer.identity)
        with pytest.raises(PromotionRefused, match="nobody had answered when version 1, of newer data"):
            promotion.register_step(manual, older.identity)
        assert [request.inputs.version for request in open_requests(manual.ledger)] == [1]

    def test_a_request_that_died_before_it_replaced_the_older_ones(
        self, manual: Workspace, asked: Upload, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked(1)
        with monkeypatch.context() as patch:
            patch.setattr("iris_core.promotion.approval.replace_older", lambda _: None)
            asked(2)
        assert len(list(open_requests(manual.ledger))) == 2
        with pytest.raises(PromotionRefused, match="superseded"):
            promotion.answer(manual, 1, yes())
        promotion.answer(manual, 2, yes())
        assert staged(manual) == 2


class TestAnEmptiedRegistry:
    """It counts its versions from 1 again."""

    def test_an_approval_of_a_version_that_is_gone(self, manual: Workspace, asked: Upload) -> None:
        record = asked(1)
        client(manual).delete_registered_model(manual.settings.names.model)
        with pytest.raises(PromotionRefused, match=r"somebody deleted it in MLflow.* iris refuse 1 --reason"):
            promotion.answer(manual, 1, yes())
        assert verdict_on(manual, record) is None
        assert promotion.answer(manual, 1, no()).outcome == Outcome.REFUSED

    def test_an_older_request_is_not_closed_on_a_version_of_its_number(
        self, manual: Workspace, iris_rows: Rows, as_csv: AsCsv
    ) -> None:
        for rows in (120, 119):
            record = train_one(manual, as_csv(iris_rows[0][:rows]))
            with pytest.raises(ApprovalAwaited, match="iris approve 1"):
                promotion.register_step(manual, record.identity)
            if rows == 120:
                client(manual).delete_registered_model(manual.settings.names.model)
        promotion.answer(manual, 1, yes())
        now = expect(ModelRef, models.staged(manual.settings))
        assert (now.version, now.run_id) == (1, record.run_id)

    def test_a_rollback_to_a_version_of_its_number_stages_nobodys_choice(
        self, manual: Workspace, make_workspace: Callable[..., Workspace], iris_rows: Rows, as_csv: AsCsv
    ) -> None:
        auto = make_workspace(TEAM=manual.settings.team)
        for rows in (120, 119):
            promotion.promote(auto, train_one(auto, as_csv(iris_rows[0][:rows])))
        promotion.rollback(auto, 1, "it was better", datetime.now(UTC))
        client(auto).delete_registered_model(auto.settings.names.model)
        record = train_one(manual, as_csv(iris_rows[0][:118]))
        with pytest.raises(ApprovalAwaited, match="iris approve 1"):
            promotion.register_step(manual, record.identity)
        with pytest.raises(NothingOwed):
            training.reconcile_training(manual)
        assert staged(manual) is None


class TestTelling:
    def test_every_channel_is_told_once_how_to_answer(self, manual: Workspace, asked: Upload) -> None:
        asked(1)
        asked(2)
        got: list[Any] = []
        alerts.deliver_requests(manual, {"a": got.append})
        alerts.deliver_requests(manual, {"a": got.append})
        [message] = got
        assert (message.version, message.title.startswith("Promote ")) == (2, True)
        assert "iris approve 2 --reason" in message.text
        [record] = manual.ledger.recent_of(AlertRecord)
        assert record.inputs.verdict == message.asked

    def test_what_could_not_be_told_is_told_by_the_next_look(self, manual: Workspace, asked: Upload) -> None:
        """The drift DAG's `alert` looks as well, so that a request is not lost with its run."""
        asked(1)
        got: list[Any] = []

        def fails(_: Any) -> None:
            raise AlertUndelivered("channel.example answered 503, expected 2xx.")

        with pytest.raises(AlertUndelivered):
            alerts.deliver_requests(manual, {"a": fails})
        alerts.deliver_owed(manual, {"a": got.append})
        assert [message.version for message in got] == [1]


class TestCommands:
    @pytest.fixture
    def cli(self, manual: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
        monkeypatch.setattr("iris_core.cli.deployment.deployed_workspace", lambda *_: manual)
        return lambda *words: CliRunner().invoke(app, words)  # type: ignore[return-value]

    def test_approve_and_refuse(self, manual: Workspace, asked: Upload, cli: Callable[..., Any]) -> None:
        asked(1)
        asked(2)
        late = cli("approve", "1", "--reason", "I was away")
        assert late.exit_code == 1
        assert "iris approve 2" in late.output
        done = cli("approve", "2", "--reason", "good")
        assert done.exit_code == 0, done.output
        assert done.output.startswith("Version 2 is approved and staged. promotion/")
        assert staged(manual) == 2
        promotion.rollback(manual, 1, "back", datetime.now(UTC), force=True)
        again = cli("approve", "2", "--reason", "good").output
        assert again.startswith("Version 2 is approved; version 1 is staged. promotion/")
        client(manual).delete_registered_model_alias(manual.settings.names.model, "staging")
        gone = cli("approve", "2", "--reason", "good").output
        assert gone.startswith("Version 2 is approved; nothing is staged, somebody has changed that")
        promotion.rollback(manual, 2, "forth", datetime.now(UTC))
        asked(3)
        assert cli("refuse", "3", "--reason", "bad").output.startswith("Version 3 is refused. promotion/")
        verdicts = list(manual.ledger.recent_of(VerdictRecord))
        answers = [evidence_of(verdict).approval for verdict in verdicts]
        assert {given.by for given in answers if given} == {"tester"}
        assert staged(manual) == 2


def test_answers_at_the_same_time_are_one(manual: Workspace, asked: Upload) -> None:
    """The one that commits first stands, and the other one is told."""
    asked(1)
    real = Ledger.commit

    class Late(Ledger):
        def commit(self, record: Any) -> Any:
            if isinstance(record, VerdictRecord):
                real(manual.ledger, record.model_copy(update={"outcome": "refused", "reason": "no"}))
            return super().commit(record)

    late = Workspace(
        manual.settings, manual.store, Late(manual.store, manual.settings.bucket, "dev"), manual.actor
    )
    with pytest.raises(PromotionRefused, match="is refused: no"):
        promotion.answer(late, 1, yes())
    assert staged(manual) is None
