"""Runs at the same moment, a zombie that comes back, a clock that jumps: one effect each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from iris_core import ledger, models, monitoring, promotion, scoring, training
from iris_core.errors import DecidedElsewhere, NothingOwed, RegistryError
from iris_core.ledger import Kind
from iris_core.ledger.records import base
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import mlflow_runs, tracking
from iris_core.models.history import HISTORY_TAG
from tests.chaos.audit import audit, owed
from tests.records import expect_all

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

STEPS = ("train", "promote", "score", "report")

CHILD = """
import sys
from iris_core.settings.variables import load_settings
from iris_core.ledger import Actor
from iris_core.ledger.workspace import access_from_settings, open_workspace
from tests.integration import test_concurrency as runs

settings = load_settings()
workspace = open_workspace(settings, access_from_settings(settings), Actor(owner="child"))
if sys.argv[1] == "beside":
    print("ready", flush=True)
    sys.stdin.readline()
    runs.whole_chain(workspace)
else:
    runs.stopped_before_its_commit(workspace, sys.argv[1])
"""


def train(workspace: Workspace) -> None:
    training.train(workspace, training.validate(workspace, training.reconcile_training(workspace)))


def promote(workspace: Workspace) -> None:
    if trained := promotion.unfinished(workspace):
        promotion.register_step(workspace, trained.identity.path)


def score(workspace: Workspace) -> None:
    scoring.publish_all(
        workspace,
        [one for shard in scoring.plan_shards(workspace) for one in scoring.score_shard(workspace, shard)],
    )


def report(workspace: Workspace) -> None:
    for path in monitoring.plan_reports(workspace):
        monitoring.report(workspace, path)


def whole_chain(workspace: Workspace) -> None:
    """What the three DAGs do, each step with the retries that Airflow gives it."""
    for step in (train, promote, score, report):
        for left in (2, 1, 0):
            try:
                with suppress(NothingOwed):
                    step(workspace)
                break
            except RegistryError:
                if not left:
                    raise


def stopped_before_its_commit(workspace: Workspace, step: str) -> None:
    """Do the chain; in one step stand still just before the commit, as a process that its node forgot."""
    kinds: dict[str, Kind] = {
        "train": "training",
        "promote": "promotion",
        "score": "scoring",
        "report": "drift",
    }
    commit = ledger.Ledger.commit

    def stopping(self: ledger.Ledger, record: ledger.Record) -> ledger.Committed:
        if record.kind == kinds[step]:
            os.kill(os.getpid(), signal.SIGSTOP)
        return commit(self, record)

    ledger.Ledger.commit = stopping  # type: ignore[method-assign]
    whole_chain(workspace)


def child(workspace: Workspace, what: str, folder: Path) -> subprocess.Popen[str]:
    settings = workspace.settings
    assert settings.secret_access_key
    environ = os.environ | {
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "MLFLOW_S3_ENDPOINT_URL": settings.s3_endpoint_url,
        "AWS_ACCESS_KEY_ID": settings.access_key_id or "",
        "AWS_SECRET_ACCESS_KEY": settings.secret_access_key.get_secret_value(),
        "TEAM": settings.team,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [sys.executable, "-c", CHILD, what]
    return subprocess.Popen(
        command, env=environ, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def landed(tracked: Workspace, train_csv: bytes, test_csv: bytes) -> Workspace:
    bucket = tracked.settings.bucket
    tracked.store.put(bucket, tracked.settings.train_key, train_csv, "text/csv")
    tracked.store.put(bucket, tracked.settings.test_key, test_csv, "text/csv")
    return tracked


def is_accounted_for_once(workspace: Workspace) -> None:
    found = audit(workspace, {})
    assert (found.lost, found.doubled, found.orphaned) == ([], [], [])
    assert owed(workspace) == ""


def effects(workspace: Workspace) -> list[tuple[str, str]]:
    return sorted((record.kind, record.outcome) for record in workspace.ledger.recent())


def test_two_runs_of_every_dag_at_the_same_moment(landed: Workspace, tmp_path: Path) -> None:
    runs = [child(landed, "beside", tmp_path) for _ in range(2)]
    for run in runs:
        assert run.stdout
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        assert run.stdin
        run.stdin.write("go\n")
        run.stdin.flush()
    assert [run.wait(timeout=300) for run in runs] == [0, 0]
    whole_chain(landed)
    is_accounted_for_once(landed)
    assert [kind for kind, _ in effects(landed)] == ["drift", "promotion", "scoring", "training"]


@pytest.mark.parametrize("step", STEPS)
def test_a_zombie_that_comes_back_after_its_retry_committed(
    landed: Workspace, step: str, tmp_path: Path
) -> None:
    zombie = child(landed, step, tmp_path)
    try:
        _, status = os.waitpid(zombie.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        whole_chain(landed)
        before = effects(landed)
        assert [kind for kind, _ in before] == ["drift", "promotion", "scoring", "training"]
        os.kill(zombie.pid, signal.SIGCONT)
        assert zombie.wait(timeout=300) == 0
    finally:
        zombie.kill()
        zombie.wait()
    is_accounted_for_once(landed)
    assert effects(landed) == before


class TestRunsOfKilledAttempts:
    """An attempt dies in its MLflow run, another decides before its retry comes, and nobody looks again."""

    @staticmethod
    def left_running(workspace: Workspace, experiment: str, identity: str) -> str:
        client = tracking.client(workspace.settings)
        tags = {mlflow_runs.IDENTITY_TAG: identity, mlflow_runs.COMMIT_TAG: "pending"}
        return str(client.create_run(tracking.ensure_experiment(client, experiment), tags=tags).info.run_id)

    @staticmethod
    def is_reaped(workspace: Workspace, run_id: str) -> bool:
        run = tracking.client(workspace.settings).get_run(run_id)
        return (run.info.status, run.data.tags[mlflow_runs.COMMIT_TAG]) == ("KILLED", "reaped")

    def test_one_that_was_under_way_and_won_is_finished(self, landed: Workspace) -> None:
        """Two tasks do the same work: the later one ends the run of the earlier one, which commits first."""
        work = training.validate(landed, training.reconcile_training(landed))
        client, name = tracking.client(landed.settings), landed.settings.names.training_experiment
        experiment = tracking.ensure_experiment(client, name)
        training.train(landed, work)
        [run] = client.search_runs([experiment])
        client.set_tag(run.info.run_id, mlflow_runs.COMMIT_TAG, "pending")
        client.update_run(run.info.run_id, status="RUNNING")
        mlflow_runs.end_left_runs(client, experiment, work.identity)
        mlflow_runs.settle_runs(landed, name)
        run = client.get_run(run.info.run_id)
        assert (run.info.status, run.data.tags[mlflow_runs.COMMIT_TAG]) == ("FINISHED", "committed")

    def test_of_training(self, landed: Workspace) -> None:
        work = training.validate(landed, training.reconcile_training(landed))
        training.train(landed, work)
        left = self.left_running(landed, landed.settings.names.training_experiment, work.identity.path)
        training.train(landed, work)
        assert self.is_reaped(landed, left)

    def test_of_training_that_a_newer_version_superseded(
        self, landed: Workspace, iris_rows: tuple[list[str], list[str]], as_csv: Callable[[list[str]], bytes]
    ) -> None:
        work = training.validate(landed, training.reconcile_training(landed))
        left = self.left_running(landed, landed.settings.names.training_experiment, work.identity.path)
        newer = as_csv(iris_rows[0][1:])
        landed.store.put(landed.settings.bucket, landed.settings.train_key, newer, "text/csv")
        training.train(landed, training.reconcile_training(landed))
        assert self.is_reaped(landed, left)
        with pytest.raises(DecidedElsewhere):
            training.train(landed, work)

    def test_of_scoring(self, landed: Workspace) -> None:
        train(landed)
        promote(landed)
        scored = [one for shard in scoring.plan_shards(landed) for one in scoring.score_shard(landed, shard)]
        scoring.publish_all(landed, scored)
        left = self.left_running(
            landed, landed.settings.names.inference_experiment, scored[0].work.identity.path
        )
        scoring.publish_all(landed, scored)
        assert self.is_reaped(landed, left)

    def test_of_drift(self, landed: Workspace) -> None:
        whole_chain(landed)
        [record] = expect_all(BatchDriftRecord, landed.ledger.recent("drift"))
        experiment = landed.settings.names.drift_experiment
        left = self.left_running(landed, experiment, record.identity.path)
        monitoring.conclude(landed, [monitoring.report(landed, record.inputs.scoring)])
        assert self.is_reaped(landed, left)

    def test_of_a_model_s_history(self, landed: Workspace) -> None:
        train(landed)
        promote(landed)
        score(landed)
        client = tracking.client(landed.settings)
        experiment = tracking.ensure_experiment(client, landed.settings.names.drift_experiment)
        model = models.staged(landed.settings)
        assert model
        left = client.create_run(experiment, tags={HISTORY_TAG: model.variant}).info.run_id
        report(landed)
        [record] = expect_all(BatchDriftRecord, landed.ledger.recent("drift"))
        assert record.outputs.history_run_id == left
        assert client.get_run(left).info.status == "FINISHED"


def test_a_clock_that_jumps(
    tracked: Workspace,
    iris_rows: tuple[list[str], list[str]],
    as_csv: Callable[[list[str]], bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Decisions are filed under their inputs' times; a host two days ahead or behind decides the same."""
    settings = tracked.settings
    for number, jump in enumerate((timedelta(0), timedelta(days=2), timedelta(days=-2), timedelta(hours=-1))):
        monkeypatch.setattr(base, "datetime", _clock(jump))
        for key, rows in ((settings.train_key, iris_rows[0]), (settings.test_key, iris_rows[1])):
            tracked.store.put(settings.bucket, key, as_csv(rows[number:]), "text/csv")
        for _ in range(2):
            whole_chain(tracked)
        is_accounted_for_once(tracked)
    ref = models.staged(tracked.settings)
    assert ref
    assert ref.version == 4
    kinds = [kind for kind, _ in effects(tracked)]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "training": 4,
        "promotion": 4,
        "scoring": 4,
        "drift": 4,
    }


def _clock(jump: timedelta) -> type[datetime]:
    class Jumped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz or UTC) + jump

    return Jumped
