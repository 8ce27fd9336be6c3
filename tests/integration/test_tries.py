"""What nobody foresaw holds only its object: bounded tries, `failed`, and open again."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from iris_core import monitoring, promotion, scoring, training
from iris_core.cli import app
from iris_core.errors import GivenUp, NothingOwed, ObjectMissing, StoreError, TryFailed
from iris_core.labels import flow as labels_flow
from iris_core.labels.matching import measured
from iris_core.ledger import Actor, Record, tries
from iris_core.ledger.look import Look
from iris_core.ledger.owed import unaccounted
from iris_core.ledger.records.objects import FailedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.workspace import Workspace
from iris_core.scoring import flow, publication, results
from iris_core.store.objects import ObjectVersion
from iris_core.tables import StoredInput
from iris_core.training import fitting, steps

pytestmark = pytest.mark.integration

POISON = "poison"
"""In the key of an object on which the code breaks."""


class NoException(BaseException):
    """As polars' PanicException: no `Exception`."""


def run(workspace: Workspace, number: int, try_number: int = 1) -> Workspace:
    """A later run's workspace."""
    return workspace.acting_as(Actor(owner="tester", dag_id="d", run_id=f"r{number}", try_number=try_number))


def breaks(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, about: Callable[..., str], error: BaseException
) -> None:
    """Raise in a function of the core where it is about an object whose key has `POISON`."""
    real = getattr(module, name)

    def broken(*given: Any, **named: Any) -> Any:
        if POISON in about(*given):
            raise error
        return real(*given, **named)

    monkeypatch.setattr(module, name, broken)


def put(workspace: Workspace, key: str, data: bytes) -> ObjectVersion:
    workspace.store.put(workspace.settings.bucket, key, data, "text/csv")
    return workspace.store.head(workspace.settings.bucket, key)


def about(workspace: Workspace, version: ObjectVersion, kind: Any = "scoring") -> list[Record]:
    return workspace.ledger.of_subject(kind, version.landed_at.date(), version.digest)


def staged(workspace: Workspace, train_csv: bytes) -> None:
    put(workspace, workspace.settings.train_key, train_csv)
    work = training.train(workspace, training.validate(workspace, training.reconcile_training(workspace)))
    promotion.register_step(workspace, work.identity)


@pytest.fixture
def inbox(mlflow_db: Any, make_workspace: Any, train_csv: bytes) -> Workspace:
    """A prefix of inference data, and a staged model."""
    workspace: Workspace = make_workspace(TEAM_S3_TEST_KEY="iris/in/", MAX_TRIES="3")
    staged(workspace, train_csv)
    return workspace


def score_all(workspace: Workspace) -> list[Any]:
    scored = [
        one for shard in scoring.plan_shards(workspace) for one in scoring.score_shard(workspace, shard)
    ]
    return scoring.publish_all(workspace, scored)


class TestScoring:
    def test_the_rest_of_the_pack_is_published_and_the_poison_given_up(
        self, inbox: Workspace, test_csv: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good = [put(inbox, f"iris/in/{name}.csv", test_csv) for name in "abz"]
        bad = put(inbox, f"iris/in/m-{POISON}.csv", test_csv)
        breaks(monkeypatch, flow, "score_table", lambda given, *_: given.where, NoException("of a\nkind"))
        assert len(score_all(run(inbox, 1))) == len(good)
        assert about(inbox, bad) == []
        with pytest.raises(TryFailed, match=r"Try 2 of 3"):
            score_all(run(inbox, 2))
        with pytest.raises(GivenUp) as told:
            score_all(run(inbox, 3))
        [record] = about(inbox, bad)
        assert isinstance(record, FailedRecord)
        assert record.reason == str(told.value)
        assert bad.uri in record.reason
        assert "NoException at" in record.reason
        assert "of a kind" in record.reason
        assert record.evidence.tries == 3
        assert record.evidence.place.startswith("iris_core.scoring.flow:")
        with pytest.raises(NothingOwed):
            scoring.plan_shards(run(inbox, 4))

    def test_tries_within_a_run_count_once_a_try_whatever_shard(
        self, inbox: Workspace, test_csv: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad = put(inbox, f"iris/in/{POISON}.csv", test_csv)
        breaks(monkeypatch, flow, "score_table", lambda given, *_: given.where, TypeError("x"))
        for _ in range(5):
            with pytest.raises(TryFailed, match="Try 1 of 3"):
                score_all(run(inbox, 1))
        assert about(inbox, bad) == []

    def test_what_another_run_scored_meanwhile_stays_published(
        self, inbox: Workspace, test_csv: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        once = Workspace(
            inbox.settings.model_copy(update={"max_tries": 1}), inbox.store, inbox.ledger, inbox.actor
        )
        put(once, "iris/in/a.csv", test_csv)
        done = [one for shard in scoring.plan_shards(once) for one in scoring.score_shard(once, shard)]

        def beaten(*_: object) -> None:
            monkeypatch.setattr(publication, "keep_manifest", results.keep_manifest)
            scoring.publish_all(run(inbox, 2), done)
            raise TypeError("x")

        monkeypatch.setattr(publication, "keep_manifest", beaten)
        assert len(scoring.publish_all(run(once, 1), done)) == 1
        [record] = once.ledger.recent("scoring")
        assert isinstance(record, ScoredRecord)
        assert record.outputs.manifest
        assert once.store.head(once.settings.bucket, record.outputs.predictions.key)
        assert once.store.head(once.settings.bucket, record.outputs.manifest.key)

    @pytest.mark.parametrize("error", [StoreError("away"), ConnectionError("away"), KeyboardInterrupt()])
    def test_an_outage_ends_the_task_and_is_nobodys_fault(
        self,
        inbox: Workspace,
        test_csv: bytes,
        monkeypatch: pytest.MonkeyPatch,
        error: BaseException,
    ) -> None:
        put(inbox, "iris/in/a.csv", test_csv)
        bad = put(inbox, f"iris/in/{POISON}.csv", test_csv)
        with monkeypatch.context() as patch:
            breaks(patch, flow, "score_table", lambda given, *_: given.where, error)
            for number in range(4):
                with pytest.raises(type(error)):
                    score_all(run(inbox, number, try_number=number + 1))
        score_all(inbox)
        assert [record.outcome for record in about(inbox, bad)] == ["scored"]

    def test_what_is_opened_again_is_owed_announced_and_scored(
        self, inbox: Workspace, test_csv: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad = put(inbox, f"iris/in/{POISON}.csv", test_csv)
        with monkeypatch.context() as patch:
            breaks(patch, flow, "score_table", lambda given, *_: given.where, MemoryError())
            for number in range(3):
                with pytest.raises(TryFailed):
                    score_all(run(inbox, number))
        assert self.announced(inbox) == []
        [opened] = tries.reopen(inbox, f"s3://{bad.bucket}/{bad.key}", "more memory")
        assert opened.reason == "more memory"
        assert self.announced(inbox) == [bad]
        with pytest.raises(ObjectMissing, match="recorded as failed"):
            tries.reopen(inbox, bad.uri, "again")
        assert len(score_all(run(inbox, 9))) == 1
        assert [record.outcome for record in about(inbox, bad)] == ["failed", "reopened", "scored"]
        assert self.announced(inbox) == []

    @staticmethod
    def announced(workspace: Workspace) -> list[ObjectVersion]:
        return list(
            unaccounted(workspace.store, workspace.ledger, "scoring", scoring.inference_source(workspace))
        )


class TestPublishing:
    def test_one_that_breaks_holds_no_other(
        self, inbox: Workspace, test_csv: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good = [put(inbox, f"iris/in/{name}.csv", test_csv) for name in "abz"]
        bad = put(inbox, f"iris/in/m-{POISON}.csv", test_csv)
        breaks(
            monkeypatch,
            publication,
            "keep_manifest",
            lambda _, whole, *__: whole.work.object.key,
            NoException(),
        )
        assert len(score_all(run(inbox, 1))) == len(good)
        for number in (2, 3):
            with pytest.raises(TryFailed):
                score_all(run(inbox, number))
        assert [record.outcome for record in about(inbox, bad)] == ["failed"]

    def test_what_breaks_the_run_of_all_gets_a_run_alone(
        self, inbox: Workspace, test_csv: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good = [put(inbox, f"iris/in/{name}.csv", test_csv) for name in "ab"]
        put(inbox, f"iris/in/m-{POISON}.csv", test_csv)

        def keys(_: Any, batch: Any) -> str:
            return " ".join(ready.work.object.key for ready in batch)

        breaks(monkeypatch, publication, "log_run", keys, KeyError("x"))
        assert len(score_all(run(inbox, 1))) == len(good)


class TestTraining:
    def test_a_poisoned_table_is_given_up_and_the_sound_one_before_it_trained(
        self, tracked: Workspace, train_csv: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = tracked.settings.train_key
        sound = put(tracked, key, train_csv)
        bad = put(tracked, key, train_csv + b"5.1,3.5,1.4,0.2,setosa\n")
        real = fitting.fit

        def fit(frame: Any, config: Any) -> Any:
            if len(frame) == 121:
                raise RecursionError("too deep")
            return real(frame, config)

        monkeypatch.setattr(steps, "fit", fit)
        for number in range(3):
            work = training.reconcile_training(run(tracked, number))
            assert work.object == bad
            with pytest.raises(TryFailed):
                training.train(run(tracked, number), work)
        assert [record.outcome for record in about(tracked, bad, "training")] == ["failed"]
        work = training.reconcile_training(tracked)
        assert work.object == sound
        training.train(tracked, work)
        assert [record.outcome for record in about(tracked, sound, "training")] == ["trained"]

    def test_a_model_whose_staging_breaks_does_not_come_again_for_ever(
        self, tracked: Workspace, train_csv: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        version = put(tracked, tracked.settings.train_key, train_csv)
        work = training.train(tracked, training.reconcile_training(tracked))
        with monkeypatch.context() as patch:
            patch.setattr(promotion.staging, "apply_verdict", lambda *_: 1 / 0)
            for number in range(3):
                assert training.reconcile_training(run(tracked, number)).identity == work.identity
                with pytest.raises(TryFailed, match="ZeroDivisionError"):
                    promotion.register_step(run(tracked, number), work.identity)
            with pytest.raises(NothingOwed):
                training.reconcile_training(run(tracked, 3))
            with pytest.raises(GivenUp):
                promotion.register_step(run(tracked, 4), work.identity)
        tries.reopen(tracked, version.uri, "mended")
        assert training.reconcile_training(run(tracked, 5)).identity == work.identity
        assert promotion.register_step(run(tracked, 5), work.identity)["version"] == "1"
        with pytest.raises(NothingOwed):
            training.reconcile_training(run(tracked, 6))
        assert list(tracked.ledger.recent())

    def test_tries_that_are_killed_count(self, tracked: Workspace, train_csv: bytes) -> None:
        """Each in a process of its own that ends as the kernel ends one; only the first leaves no note."""
        version = put(tracked, tracked.settings.train_key, train_csv)
        work = training.reconcile_training(tracked)
        for number in range(1, 5):
            assert killed_while_training(tracked, work.model_dump_json(), number) == -signal.SIGKILL
        with pytest.raises(GivenUp, match="ended from outside"):
            training.train(run(tracked, 1, try_number=5), work)
        [record] = about(tracked, version, "training")
        assert isinstance(record, FailedRecord)
        assert record.evidence.tries == 3


def killed_while_training(workspace: Workspace, work: str, try_number: int) -> int:
    """Train in another process, which is killed while it fits; returns how it ended."""
    settings, access = workspace.settings, workspace.store.access
    script = (
        "import os, signal, sys\n"
        "from iris_core.ledger import Actor\n"
        "from iris_core.ledger.workspace import access_from_settings, open_workspace\n"
        "from iris_core.settings.variables import load_settings\n"
        "from iris_core.training import TrainingWork, steps\n"
        "steps.fit = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "settings = load_settings()\n"
        "actor = Actor(dag_id='d', run_id='r1', try_number=int(sys.argv[2]))\n"
        "workspace = open_workspace(settings, access_from_settings(settings), actor)\n"
        "steps.train(workspace, TrainingWork.model_validate_json(sys.argv[1]))\n"
    )
    environ = {
        **os.environ,
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "MLFLOW_S3_ENDPOINT_URL": access.endpoint_url,
        "AWS_ACCESS_KEY_ID": access.access_key_id,
        "AWS_SECRET_ACCESS_KEY": access.secret_access_key,
        "TEAM": settings.team,
    }
    command = [sys.executable, "-c", script, work, str(try_number)]
    return subprocess.run(command, env=environ, check=False, stderr=subprocess.DEVNULL).returncode


def labelled(inbox: Workspace, test_csv: bytes) -> tuple[ObjectVersion, ObjectVersion]:
    """Score a table, and upload two files of its labels; the key of the first one has `POISON`."""
    put(inbox, "iris/in/a.csv", with_ids(test_csv))
    score_all(inbox)
    given = "\n".join(["id,species", *(f"f{number},setosa" for number in range(30)), ""]).encode()
    return put(inbox, f"iris/labels/a-{POISON}.csv", given), put(inbox, "iris/labels/b.csv", given)


class TestMonitoring:
    def test_a_labels_file_that_breaks_holds_no_other(
        self, inbox: Workspace, test_csv: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad, good = labelled(inbox, test_csv)
        breaks(monkeypatch, labels_flow, "measured", lambda given, *_: given.where, NoException("odd"))
        assert len(monitoring.join_labels(run(inbox, 1))) == 1
        assert [record.outcome for record in about(inbox, good, "performance")] == ["measured"]
        for number in (2, 3):
            with pytest.raises(TryFailed):
                monitoring.join_labels(run(inbox, number))
        assert [record.outcome for record in about(inbox, bad, "performance")] == ["failed"]
        with pytest.raises(NothingOwed):
            monitoring.join_labels(run(inbox, 4))

    def test_a_labels_file_that_another_run_joined_meanwhile_holds_no_other(
        self, inbox: Workspace, test_csv: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad, good = labelled(inbox, test_csv)

        def beaten(given: StoredInput, *rest: Any) -> Any:
            if POISON not in given.where:
                return measured(given, *rest)
            with monkeypatch.context() as patch:
                patch.setattr(labels_flow, "measured", measured)
                monitoring.join_labels(run(inbox, 2), Look(frozenset({bad.uri})))
            raise TypeError("x")

        monkeypatch.setattr(labels_flow, "measured", beaten)
        settings = inbox.settings.model_copy(update={"max_tries": 1})
        once = Workspace(settings, inbox.store, inbox.ledger, inbox.actor)
        assert len(monitoring.join_labels(run(once, 1))) == 1
        for version in (bad, good):
            assert [record.outcome for record in about(inbox, version, "performance")] == ["measured"]

    def test_a_report_that_breaks_is_given_up_and_made_when_it_is_opened_again(
        self, inbox: Workspace, test_csv: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        version = put(inbox, "iris/in/a.csv", test_csv)
        score_all(inbox)
        [scoring_path] = monitoring.plan_reports(inbox)
        with monkeypatch.context() as patch:
            patch.setattr(importlib.import_module("iris_core.monitoring.report"), "compare", lambda *_: 1 / 0)
            for number in range(3):
                with pytest.raises(TryFailed, match="ZeroDivisionError at"):
                    monitoring.report(run(inbox, number), scoring_path)
            with pytest.raises(GivenUp):
                monitoring.report(run(inbox, 4), scoring_path)
        with pytest.raises(NothingOwed):
            monitoring.plan_reports(inbox)
        tries.reopen(inbox, version.uri, "mended")
        assert monitoring.plan_reports(inbox) == [scoring_path]
        assert monitoring.report(inbox, scoring_path)["verdict"].endswith("/verdict+2")
        with pytest.raises(NothingOwed):
            monitoring.plan_reports(inbox)


def with_ids(data: bytes) -> bytes:
    header, *lines = data.decode().splitlines()
    return "\n".join([f"id,{header}", *(f"f{n},{line}" for n, line in enumerate(lines)), ""]).encode()


def test_on_the_command_line(
    inbox: Workspace, test_csv: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bad = put(inbox, f"iris/in/{POISON}.csv", test_csv)
    breaks(monkeypatch, flow, "score_table", lambda given, *_: given.where, ValueError("odd"))
    for number in range(3):
        with pytest.raises(TryFailed):
            score_all(run(inbox, number))
    for name, value in {
        "IRIS_HOME": str(tmp_path / ".iris"),
        "COLUMNS": "400",
        "MLFLOW_S3_ENDPOINT_URL": inbox.store.access.endpoint_url,
        "AWS_ACCESS_KEY_ID": inbox.store.access.access_key_id,
        "AWS_SECRET_ACCESS_KEY": inbox.store.access.secret_access_key,
        "TEAM": inbox.settings.team,
    }.items():
        monkeypatch.setenv(name, value)
    invoke = CliRunner().invoke
    listed = invoke(app, ["ledger", "--outcome", "failed"])
    assert "ValueError at iris_core.scoring.flow:" in listed.output
    again = invoke(app, ["retry", bad.uri, "--reason", "mended"])
    assert again.exit_code == 0, again.output
    assert "is owed again" in again.output
    assert invoke(app, ["retry", bad.uri, "--reason", "mended"]).exit_code == 1
