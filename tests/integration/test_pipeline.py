"""Train, register, score and publish with real files, the embedded store and a sqlite MLflow."""

from __future__ import annotations

import io
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import importlib_metadata
import mlflow
import polars as pl
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils import requirements_utils

from iris_core import models, promotion, scoring, training
from iris_core.errors import DataRejected, DecidedElsewhere, NothingOwed, PromotionRefused
from iris_core.ledger import Actor, Committed, Ledger, Outcome, Record
from iris_core.ledger.records.gate import GateEvidence
from iris_core.ledger.records.objects import ObjectRecord, RejectedRecord, SupersededRecord
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import mlflow_runs, tracking
from iris_core.store.objects import ObjectVersion
from tests.loop import score_owed, score_whole
from tests.records import expect, expect_all, like

pytestmark = pytest.mark.integration

RIVAL = Actor(owner="rival")


def upload(workspace: Workspace, key: str, data: bytes) -> ObjectVersion:
    workspace.store.put(workspace.settings.bucket, key, data, "text/csv")
    return workspace.store.head(workspace.settings.bucket, key)


def upload_training(workspace: Workspace, data: bytes) -> ObjectVersion:
    return upload(workspace, workspace.settings.train_key, data)


def upload_inference(workspace: Workspace, data: bytes) -> ObjectVersion:
    return upload(workspace, workspace.settings.test_key, data)


def trained(workspace: Workspace) -> TrainedRecord:
    """Reconcile, validate, train: what the training DAG does before it registers."""
    work = training.train(workspace, training.validate(workspace, training.reconcile_training(workspace)))
    return expect(TrainedRecord, workspace.ledger.get(work.identity))


def trained_and_staged(workspace: Workspace) -> dict[str, Any]:
    return promotion.register_step(workspace, trained(workspace).identity.path)


def runs(workspace: Workspace, experiment: str) -> list[Run]:
    client = tracking.client(workspace.settings)
    return list(client.search_runs([tracking.ensure_experiment(client, experiment)]))


def digests(run: Run) -> list[str]:
    """Of the data that the run says it read."""
    assert run.inputs
    return [given.dataset.digest for given in run.inputs.dataset_inputs]


def training_runs(workspace: Workspace) -> list[Run]:
    return runs(workspace, workspace.settings.names.training_experiment)


def model_versions(workspace: Workspace) -> list[Any]:
    client = tracking.client(workspace.settings)
    return list(client.search_model_versions(f"name = '{workspace.settings.names.model}'"))


def table(data: bytes) -> pl.DataFrame:
    return pl.read_csv(io.BytesIO(data))


def without_labels(data: bytes) -> bytes:
    return table(data).drop("species").write_csv().encode()


class RivalLedger(Ledger):
    """A real ledger, but a rival's commit always comes just before one's own."""

    def __init__(self, workspace: Workspace, what: type[ObjectRecord]) -> None:
        super().__init__(workspace.store, workspace.settings.bucket, workspace.settings.platform_env)
        self._rival = workspace.ledger
        self._what = what

    def commit(self, record: Record) -> Committed:
        inputs = {"object": record.about}
        self._rival.commit(like(self._what, identity=record.identity, by=RIVAL, inputs=inputs))
        return super().commit(record)


def with_rival(workspace: Workspace, what: type[ObjectRecord]) -> Workspace:
    return Workspace(workspace.settings, workspace.store, RivalLedger(workspace, what), workspace.actor)


class TestTheLoop:
    def test_from_a_csv_to_published_predictions(
        self, tracked: Workspace, train_csv: bytes, test_csv: bytes
    ) -> None:
        landed = upload_training(tracked, train_csv)
        staged = trained_and_staged(tracked)
        assert staged["model"] == tracked.settings.names.model
        assert staged["version"] == "1"
        self.check_training(tracked, landed)
        self.check_registry(tracked)

        incoming = upload_inference(tracked, test_csv)
        [published] = score_owed(tracked)
        self.check_predictions(tracked, incoming, published, test_csv)
        self.check_scoring_run(tracked, incoming)
        self.check_nothing_is_owed(tracked)

    @staticmethod
    def check_training(workspace: Workspace, landed: ObjectVersion) -> None:
        [record] = expect_all(TrainedRecord, workspace.ledger.recent("training"))
        assert record.about == landed
        assert record.by == workspace.actor
        assert record.evidence.accuracy >= 0.9
        assert (record.evidence.rows, record.evidence.holdout_rows) == (120, 24)
        assert record.evidence.validation["rows"] == 120
        [run] = training_runs(workspace)
        assert run.info.run_id == record.outputs.run_id
        assert run.info.status == "FINISHED"
        assert run.data.tags["iris.commit"] == "committed"
        assert run.data.tags["iris.identity"] == record.identity.path
        assert run.data.tags["iris.owner"] == "tester"
        assert run.data.tags["iris.object.uri"] == landed.uri
        assert run.data.metrics["accuracy"] == record.evidence.accuracy
        assert digests(run) == [landed.digest]
        artifacts = {item.path for item in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
        assert {"confusion_matrix.json", "confusion_matrix.png"} <= artifacts
        model = mlflow.models.get_model_info(record.outputs.model_uri)
        assert model.signature.inputs.input_names() == list(workspace.settings.project.table.feature_names)
        assert model.signature.outputs.input_names() == ["prediction"]
        logged = mlflow.MlflowClient().get_logged_model(record.outputs.model_uri.removeprefix("models:/"))
        measured = {metric.key: metric.value for metric in logged.metrics or []}
        assert measured == {
            name: run.data.metrics[name] for name in ("accuracy", "f1_macro", "train_accuracy")
        }

    @staticmethod
    def check_registry(workspace: Workspace) -> None:
        [version] = model_versions(workspace)
        assert version.current_stage == "Staging"
        assert version.tags["iris.verdict"] == "promoted"
        ref = models.staged(workspace.settings)
        assert ref is not None
        assert ref.version == 1
        [verdict] = expect_all(VerdictRecord, workspace.ledger.recent("promotion"))
        assert verdict.outcome == Outcome.PROMOTED
        assert expect(GateEvidence, verdict.evidence).threshold == 0.1
        assert ref.training == verdict.inputs.training

    @staticmethod
    def check_predictions(
        workspace: Workspace, incoming: ObjectVersion, published: dict[str, Any], test_csv: bytes
    ) -> None:
        [record] = expect_all(ScoredRecord, workspace.ledger.recent("scoring"))
        assert published["scoring"] == record.identity.path
        assert record.about == incoming
        predictions = record.outputs.predictions
        assert published["predictions"] == predictions.uri
        assert predictions.key.startswith(f"iris/predictions/{incoming.landed_at:%Y%m%dT%H%M%SZ}-")
        frame, given = table(workspace.store.read(predictions)), table(test_csv)
        assert frame.columns == [*given.columns, "prediction", "model_version", "source_row"]
        assert frame.drop("prediction", "model_version", "source_row").equals(given)
        assert frame["source_row"].to_list() == list(range(2, 32))
        assert frame["model_version"].unique().to_list() == [1]
        right = float((frame["prediction"] == frame["species"]).sum()) / len(frame)
        assert published["accuracy"] == pytest.approx(right)
        assert right >= 0.9
        assert published["rows"] == record.evidence.rows == 30
        assert record.evidence.classes == dict(frame["prediction"].value_counts().iter_rows())
        assert list(workspace.store.keys(workspace.settings.bucket, "work")) == []

    @staticmethod
    def check_scoring_run(workspace: Workspace, incoming: ObjectVersion) -> None:
        [run] = runs(workspace, workspace.settings.names.inference_experiment)
        assert run.data.tags["iris.commit"] == "committed"
        assert run.data.metrics["rows"] == 30
        assert run.data.params["model_version"] == "1"
        assert digests(run) == [incoming.digest]
        artifacts = sorted(item.path for item in mlflow.MlflowClient().list_artifacts(run.info.run_id))
        assert artifacts[1:] == ["confusion_matrix.json", "manifest.json"]
        assert artifacts[0].endswith(".csv")

    @staticmethod
    def check_nothing_is_owed(workspace: Workspace) -> None:
        written = {item.object.uri for item in workspace.store.versions(workspace.settings.bucket, "")}
        with pytest.raises(NothingOwed, match=r"Every version of s3://.*says trained"):
            training.reconcile_training(workspace)
        with pytest.raises(NothingOwed, match=r"with .* version 1"):
            scoring.plan(workspace)
        assert {
            item.object.uri for item in workspace.store.versions(workspace.settings.bucket, "")
        } == written


class TestTraining:
    def test_nothing_landed(self, tracked: Workspace) -> None:
        with pytest.raises(NothingOwed, match="No training data has landed at s3://"):
            training.reconcile_training(tracked)

    def test_the_owed_version_is_trained_although_a_newer_one_landed(
        self, tracked: Workspace, train_csv: bytes
    ) -> None:
        upload_training(tracked, train_csv)
        work = training.reconcile_training(tracked)
        upload_training(tracked, b"newer and broken")
        assert training.train(tracked, training.validate(tracked, work)).object == work.object
        assert expect(TrainedRecord, tracked.ledger.get(work.identity)).evidence.rows == 120

    def test_logging_a_model_does_not_read_every_installed_package(
        self, tracked: Workspace, train_csv: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks: list[str] = []

        def look() -> dict[str, list[str]]:
            looks.append("at every package")
            return {}

        monkeypatch.setattr(requirements_utils, "_MODULES_TO_PACKAGES", None)
        monkeypatch.setattr(importlib_metadata, "packages_distributions", look)
        upload_training(tracked, train_csv)
        trained(tracked)
        assert looks == []
        assert requirements_utils._MODULES_TO_PACKAGES is None

    def test_the_same_table_trains_the_same_model(
        self, tracked: Workspace, iris_rows: tuple[list[str], list[str]], as_csv: Callable[[list[str]], bytes]
    ) -> None:
        accuracies = []
        for rows in (iris_rows[0], iris_rows[1], iris_rows[0]):
            upload_training(tracked, as_csv(rows))
            accuracies.append(trained(tracked).evidence)
        assert accuracies[0] == accuracies[2]
        assert accuracies[0] != accuracies[1]

    def test_a_model_says_what_it_needs_and_nobody_looks_for_pip(
        self, tracked: Workspace, train_csv: bytes, tmp_path: Path
    ) -> None:
        upload_training(tracked, train_csv)
        uri = trained(tracked).outputs.model_uri
        mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path))
        stored = yaml.safe_load((tmp_path / "conda.yaml").read_text(encoding="utf-8"))
        *plain, packages = stored["dependencies"]
        assert plain == [f"python={platform.python_version()}", "pip"]
        names = ("mlflow", "scikit-learn", "numpy", "skops")
        assert packages == {"pip": [f"{name}=={version(name)}" for name in names]}

    def test_a_step_that_is_repeated_changes_nothing(self, tracked: Workspace, train_csv: bytes) -> None:
        upload_training(tracked, train_csv)
        work = training.validate(tracked, training.reconcile_training(tracked))
        assert training.train(tracked, work) == training.train(tracked, work)
        assert training.validate(tracked, work) == work
        assert len(training_runs(tracked)) == 1

    def test_a_killed_attempt_is_reaped(self, tracked: Workspace, train_csv: bytes) -> None:
        upload_training(tracked, train_csv)
        work = training.reconcile_training(tracked)
        client: MlflowClient = tracking.client(tracked.settings)
        experiment = tracking.ensure_experiment(client, tracked.settings.names.training_experiment)
        left = {
            identity: client.create_run(experiment, tags={mlflow_runs.IDENTITY_TAG: identity}).info.run_id
            for identity in (work.identity.path, "training/2026-01-01/other/c1")
        }
        training.train(tracked, work)
        after = {identity: client.get_run(run_id) for identity, run_id in left.items()}
        assert after[work.identity.path].info.status == "KILLED"
        assert after[work.identity.path].data.tags["iris.commit"] == "reaped"
        assert after["training/2026-01-01/other/c1"].info.status == "RUNNING"

    def test_a_run_whose_commit_was_lost_is_marked(self, tracked: Workspace, train_csv: bytes) -> None:
        upload_training(tracked, train_csv)
        work = training.reconcile_training(tracked)
        assert training.train(with_rival(tracked, TrainedRecord), work) == work
        [run] = training_runs(tracked)
        assert run.data.tags["iris.commit"] == "lost"
        assert run.info.status == "KILLED"
        assert [record.by for record in tracked.ledger.recent("training")] == [RIVAL]

    def test_superseded_while_it_trained(self, tracked: Workspace, train_csv: bytes) -> None:
        upload_training(tracked, train_csv)
        work = training.reconcile_training(tracked)
        with pytest.raises(DecidedElsewhere, match="already superseded"):
            training.train(with_rival(tracked, SupersededRecord), work)
        assert training_runs(tracked)[0].data.tags["iris.commit"] == "lost"


class TestRejected:
    BAD = b"sepal_length,sepal_width,petal_length,petal_width,species\n5.1,wide,1.4,0.2,setosa\n"

    def test_a_bad_table_is_quarantined_with_its_reason_and_nothing_trained(self, tracked: Workspace) -> None:
        landed = upload_training(tracked, self.BAD)
        with pytest.raises(DataRejected, match="sepal_width") as caught:
            training.validate(tracked, training.reconcile_training(tracked))
        [record] = expect_all(RejectedRecord, tracked.ledger.recent("training"))
        assert record.reason == str(caught.value)
        assert record.about == landed
        assert record.evidence.model_dump()["rows"] == 1
        base = f"quarantine/dev/{landed.digest}/iris_train.csv"
        assert tracked.store.get(tracked.settings.bucket, base) == self.BAD
        reason = tracked.store.get(tracked.settings.bucket, f"{base}.reason.txt").decode()
        assert reason == f"{caught.value}\n"
        assert base in record.outputs.quarantine
        assert training_runs(tracked) == []

    def test_a_retry_says_the_same_and_keeps_one_record(self, tracked: Workspace) -> None:
        upload_training(tracked, self.BAD)
        work = training.reconcile_training(tracked)
        messages = set()
        for step in (training.validate, training.validate, training.train):
            with pytest.raises(DataRejected) as caught:
                step(tracked, work)
            messages.add(str(caught.value))
        assert len(messages) == 1
        assert len(list(tracked.ledger.recent("training"))) == 1

    def test_the_fixed_upload_is_owed_by_itself(self, tracked: Workspace, train_csv: bytes) -> None:
        upload_training(tracked, self.BAD)
        with pytest.raises(DataRejected):
            training.validate(tracked, training.reconcile_training(tracked))
        with pytest.raises(NothingOwed, match="says rejected"):
            training.reconcile_training(tracked)
        fixed = upload_training(tracked, train_csv)
        assert training.reconcile_training(tracked).object == fixed

    def test_inference_data_that_cannot_be_scored(self, tracked: Workspace, train_csv: bytes) -> None:
        upload_training(tracked, train_csv)
        trained_and_staged(tracked)
        landed = upload_inference(tracked, self.BAD)
        [work] = scoring.plan(tracked)
        for _ in range(2):
            with pytest.raises(DataRejected, match="sepal_width"):
                score_whole(tracked, work)
        [record] = tracked.ledger.recent("scoring")
        assert (record.outcome, record.about) == ("rejected", landed)
        with pytest.raises(NothingOwed):
            scoring.plan(tracked)
        assert list(tracked.store.keys(tracked.settings.bucket, "iris/predictions")) == []


class TestGate:
    @pytest.fixture
    def strict(
        self,
        mlflow_db: object,
        make_workspace: Callable[..., Workspace],
        iris_rows: tuple[list[str], list[str]],
        as_csv: Callable[[list[str]], bytes],
    ) -> Workspace:
        """Wants no mistake of a model whose labels are partly wrong."""
        workspace = make_workspace(ACCURACY_THRESHOLD="1.0")
        mixed = [
            line.replace("versicolor", "virginica") if number % 4 == 0 else line
            for number, line in enumerate(iris_rows[0])
        ]
        upload_training(workspace, as_csv(mixed))
        return workspace

    def test_refused_with_its_evidence_and_not_staged(self, strict: Workspace) -> None:
        record = trained(strict)
        assert record.evidence.accuracy < 1
        for _ in range(2):
            with pytest.raises(PromotionRefused, match="is below ACCURACY_THRESHOLD=1"):
                promotion.register_step(strict, record.identity.path)
        [verdict] = expect_all(VerdictRecord, strict.ledger.recent("promotion"))
        assert verdict.outcome == Outcome.REFUSED
        evidence = expect(GateEvidence, verdict.evidence)
        assert evidence.accuracy == record.evidence.accuracy
        assert evidence.threshold == 1
        [version] = model_versions(strict)
        assert version.current_stage == "None"
        assert version.tags["iris.verdict"] == "refused"
        assert "below ACCURACY_THRESHOLD" in version.tags["iris.verdict.reason"]
        assert models.staged(strict.settings) is None
        with pytest.raises(NothingOwed, match=r"No version of .* has the alias staging"):
            scoring.plan(strict)
        with pytest.raises(NothingOwed):
            training.reconcile_training(strict)

    @pytest.mark.parametrize("path", ["training/2026-01-01/nothing/c1"])
    def test_only_a_trained_model_is_registered(self, tracked: Workspace, path: str) -> None:
        with pytest.raises(PromotionRefused, match="not the record of a trained model"):
            promotion.register_step(tracked, path)


@pytest.mark.slow
class TestScoring:
    @pytest.fixture
    def staged(self, tracked: Workspace, train_csv: bytes) -> Workspace:
        upload_training(tracked, train_csv)
        trained_and_staged(tracked)
        return tracked

    def test_without_labels_there_is_no_accuracy(self, staged: Workspace, test_csv: bytes) -> None:
        upload_inference(staged, without_labels(test_csv))
        [published] = score_owed(staged)
        assert published["accuracy"] is None
        [run] = runs(staged, staged.settings.names.inference_experiment)
        assert "accuracy" not in run.data.metrics

    def test_labels_are_never_shown_to_the_model(self, staged: Workspace, test_csv: bytes) -> None:
        wrong = test_csv.replace(b"setosa", b"virginica")
        for data in (wrong, without_labels(test_csv)):
            upload_inference(staged, data)
            score_owed(staged)
        with_labels, without = (
            table(staged.store.read(record.outputs.predictions))
            for record in expect_all(ScoredRecord, staged.ledger.recent("scoring"))
        )
        assert with_labels["prediction"].equals(without["prediction"])

    def test_a_new_model_scores_the_newest_data_again(
        self,
        staged: Workspace,
        test_csv: bytes,
        iris_rows: tuple[list[str], list[str]],
        as_csv: Callable[[list[str]], bytes],
    ) -> None:
        incoming = upload_inference(staged, test_csv)
        score_owed(staged)
        upload_training(staged, as_csv(iris_rows[0][:90]))
        trained_and_staged(staged)
        [work] = scoring.plan(staged)
        assert (work.object, work.model.version) == (incoming, 2)
        [published] = score_owed(staged)
        assert len(list(staged.ledger.recent("scoring"))) == 2
        frame = table(
            staged.store.get(staged.settings.bucket, published["predictions"].split("/", 3)[3].split("?")[0])
        )
        assert frame["model_version"].unique().to_list() == [2]

    def test_work_that_is_repeated_publishes_once(self, staged: Workspace, test_csv: bytes) -> None:
        upload_inference(staged, test_csv)
        [work] = scoring.plan(staged)
        result = score_whole(staged, work)
        first = scoring.publish_all(staged, [result])
        assert scoring.publish_all(staged, [result]) == first
        assert scoring.publish_all(staged, [score_whole(staged, work)]) == first
        assert len(list(staged.store.keys(staged.settings.bucket, "iris/predictions"))) == 1
        assert len(runs(staged, staged.settings.names.inference_experiment)) == 1

    def test_overtaken_before_it_was_published(self, staged: Workspace, test_csv: bytes) -> None:
        upload_inference(staged, test_csv)
        [work] = scoring.plan(staged)
        result = score_whole(staged, work)
        with pytest.raises(NothingOwed, match="Nothing is left to publish"):
            scoring.publish_all(with_rival(staged, SupersededRecord), [result])
        [run] = runs(staged, staged.settings.names.inference_experiment)
        assert run.data.tags["iris.commit"] == "lost"
        for folder in ("iris/predictions", "work"):
            assert list(staged.store.keys(staged.settings.bucket, folder)) == []

    def test_every_object_below_a_prefix(
        self, mlflow_db: object, make_workspace: Callable[..., Workspace], train_csv: bytes, test_csv: bytes
    ) -> None:
        workspace = make_workspace(TEAM_S3_TEST_KEY="iris/incoming/")
        upload_training(workspace, train_csv)
        trained_and_staged(workspace)
        names = ("a.csv", "sub/ü b.csv", "c.csv")
        for name in names:
            upload(workspace, f"iris/incoming/{name}", test_csv)
        upload(workspace, "iris/incoming/bad.csv", TestRejected.BAD)
        works = scoring.plan(workspace)
        assert len(works) == 4
        good = [work for work in works if not work.object.key.endswith("bad.csv")]
        published = scoring.publish_all(workspace, [score_whole(workspace, work) for work in good])
        assert len({one["predictions"] for one in published}) == 3
        assert [work.object.key for work in scoring.plan(workspace)] == ["iris/incoming/bad.csv"]


@pytest.mark.slow
class TestSideBySide:
    def test_two_teams_share_mlflow_and_store_and_nothing_else(
        self, mlflow_db: Any, make_workspace: Callable[..., Workspace], train_csv: bytes, test_csv: bytes
    ) -> None:
        ours = make_workspace()
        theirs = make_workspace(PLATFORM_ENV="prod")
        for workspace in (ours, theirs):
            upload_training(workspace, train_csv)
            trained_and_staged(workspace)
            upload_inference(workspace, test_csv)
            score_owed(workspace)

        for workspace in (ours, theirs):
            assert [int(version.version) for version in model_versions(workspace)] == [1]
            assert len(training_runs(workspace)) == 1
            assert [record.outcome for record in workspace.ledger.recent("scoring")] == ["scored"]
            with pytest.raises(NothingOwed):
                training.reconcile_training(workspace)
        assert ours.settings.names.model != theirs.settings.names.model
        assert theirs.settings.names.model.endswith("_prod_iris_model")


@pytest.mark.slow
class TestWhileItWaits:
    """`reconcile` chose a version, `train` waits for its turn, and meanwhile another one lands."""

    NEWER = b"5.1,3.5,1.4,0.2,setosa\n"

    @staticmethod
    def outcomes(workspace: Workspace) -> dict[str, str]:
        """By object version, oldest first."""
        records = [record for record in workspace.ledger.recent("training") if record.about]
        return {
            record.about.digest: str(record.outcome)
            for record in sorted(records, key=lambda one: one.about.landed_at if one.about else one.at)
            if record.about
        }

    def test_it_trains_what_was_chosen_and_the_next_run_what_landed(
        self, tracked: Workspace, train_csv: bytes
    ) -> None:
        landed = upload_training(tracked, train_csv)
        waiting = training.validate(tracked, training.reconcile_training(tracked))
        newer = upload_training(tracked, train_csv + self.NEWER)

        done = training.train(tracked, waiting)

        assert done.object == landed
        assert self.outcomes(tracked) == {landed.digest: "trained"}
        chosen = training.reconcile_training(tracked)
        assert chosen.object == newer
        after = training.train(tracked, training.validate(tracked, chosen))
        assert self.outcomes(tracked) == {landed.digest: "trained", newer.digest: "trained"}
        for work in (after, done):
            promotion.register_step(tracked, work.identity)
        with pytest.raises(NothingOwed, match="says trained"):
            training.reconcile_training(tracked)
        staged = models.staged(tracked.settings)
        assert staged is not None
        assert staged.training == after.identity.path

    def test_it_is_superseded_when_the_newer_one_s_run_came_first(
        self, tracked: Workspace, train_csv: bytes
    ) -> None:
        landed = upload_training(tracked, train_csv)
        waiting = training.validate(tracked, training.reconcile_training(tracked))
        newer = upload_training(tracked, train_csv + self.NEWER)
        training.train(tracked, training.validate(tracked, training.reconcile_training(tracked)))

        with pytest.raises(DecidedElsewhere, match="already superseded"):
            training.train(tracked, waiting)

        assert self.outcomes(tracked) == {landed.digest: "superseded", newer.digest: "trained"}
        assert len(training_runs(tracked)) == 1

    @pytest.mark.parametrize("met_first_by", ["the waiting run", "its own run"])
    def test_a_bad_one_fails_its_run_and_does_not_stop_the_other(
        self, tracked: Workspace, train_csv: bytes, met_first_by: str
    ) -> None:
        landed = upload_training(tracked, train_csv)
        waiting = training.validate(tracked, training.reconcile_training(tracked))
        bad = upload_training(tracked, TestRejected.BAD)

        if met_first_by == "the waiting run":
            training.train(tracked, waiting)
        with pytest.raises(DataRejected, match="sepal_width"):
            training.validate(tracked, training.reconcile_training(tracked))
        if met_first_by == "its own run":
            assert training.train(tracked, waiting).object == landed

        assert self.outcomes(tracked) == {landed.digest: "trained", bad.digest: "rejected"}

    def test_the_configuration_changed(
        self, tracked: Workspace, train_csv: bytes, make_workspace: Callable[..., Workspace]
    ) -> None:
        """What is trained now would be recorded as trained with what was chosen."""
        upload_training(tracked, train_csv)
        waiting = training.validate(tracked, training.reconcile_training(tracked))
        project = tracked.settings.project
        table = project.table.model_copy(update={"min_rows": project.table.min_rows + 1})
        settings = tracked.settings.model_copy(
            update={"project": project.model_copy(update={"table": table})}
        )
        deployed = Workspace(settings, tracked.store, tracked.ledger, tracked.actor)

        with pytest.raises(NothingOwed, match="the next run chooses anew"):
            training.train(deployed, waiting)

        assert list(tracked.ledger.recent("training")) == []
        assert training.reconcile_training(deployed).object == waiting.object
