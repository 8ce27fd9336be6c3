"""A model's profile in the store: made with the model, found by reports, made again where it is lost."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from iris_core import models, monitoring, promotion, training
from iris_core.drift.known import Known
from iris_core.drift.sides import compare, read_side
from iris_core.errors import RegistryError
from iris_core.ledger import Ledger
from iris_core.ledger.model import ModelRef
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.models.profile import ProfileStore, feature_weights, learnt_profile, predicted_classes
from iris_core.tables import MemoryInput, StoredInput
from tests.counting import CountingStore
from tests.loop import score_owed
from tests.records import expect_all
from tests.registry import train_one

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def keys(workspace: Workspace) -> list[str]:
    return sorted(workspace.store.keys(workspace.settings.bucket, "profiles"))


def scored(workspace: Workspace, data: bytes) -> str:
    """Score a batch with the staged model; returns the path of its record."""
    workspace.store.put(workspace.settings.bucket, workspace.settings.test_key, data, "text/csv")
    score_owed(workspace)
    [path] = monitoring.plan_reports(workspace)
    return path


def reported(workspace: Workspace, path: str) -> BatchDriftRecord:
    record = workspace.ledger.find(BatchDriftRecord, monitoring.report(workspace, path)["verdict"])
    assert record is not None
    return record


def remove_table(workspace: Workspace, record: TrainedRecord) -> None:
    about = record.about
    workspace.store.admin.remove_object(about.bucket, about.key, version_id=about.version_id)


def files_of(workspace: Workspace, model: ModelRef) -> Path:
    """The folder of a version's files: artifacts of a sqlite server lie below the working directory."""
    client = tracking.client(workspace.settings)
    return Path(client.get_model_version_download_uri(model.name, str(model.version)))


def counted(workspace: Workspace) -> tuple[Workspace, CountingStore]:
    store = CountingStore(workspace.store)
    ledger = Ledger(store, workspace.settings.bucket, workspace.settings.platform_env)
    return replace(workspace, store=store, ledger=ledger), store


@pytest.fixture
def trained(tracked: Workspace, train_csv: bytes) -> TrainedRecord:
    return train_one(tracked, train_csv)


def registered(workspace: Workspace, record: TrainedRecord) -> ModelRef:
    promotion.register_step(workspace, record.identity.path)
    model = models.staged(workspace.settings)
    assert model is not None
    return model


def before_profiles(workspace: Workspace, record: TrainedRecord) -> TrainedRecord:
    """The same training in another environment's ledger, as it was recorded before there were profiles."""
    older = record.model_dump(mode="json")
    del older["outputs"]["profile"]
    again = TrainedRecord.model_validate(older)
    assert again.outputs.profile is None
    committed = workspace.ledger.commit(again)
    assert committed.won
    return again


@pytest.fixture
def older(tracked: Workspace, make_workspace: Callable[..., Workspace], trained: TrainedRecord) -> Workspace:
    """A workspace whose staged model was trained before there were profiles."""
    settings = tracked.settings
    workspace = make_workspace(TEAM=settings.team, TEAM_S3_BUCKET=settings.bucket, PLATFORM_ENV="older")
    registered(workspace, before_profiles(workspace, trained))
    return workspace


class TestTrained:
    def test_the_record_names_it(self, tracked: Workspace, trained: TrainedRecord) -> None:
        stored = trained.outputs.profile
        assert stored is not None
        [key] = keys(tracked)
        assert key == f"profiles/dev/{trained.identity.path}/{stored.digest}.parquet"
        assert stored.uri == f"s3://{tracked.settings.bucket}/{key}"
        data = tracked.store.get(tracked.settings.bucket, key)
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (stored.digest, stored.size)

    def test_a_repeated_attempt_writes_the_same(self, tracked: Workspace, trained: TrainedRecord) -> None:
        """The attempt before died between the profile and its record."""
        [key] = keys(tracked)
        ledger_key = f"ledger/dev/{trained.identity.path}.json"
        tracked.store.delete(tracked.settings.bucket, ledger_key)
        training.train(tracked, training.reconcile_training(tracked))
        assert keys(tracked) == [key]
        versions = list(tracked.store.versions(tracked.settings.bucket, key))
        assert len(versions) == 1


class TestReport:
    def test_it_reads_the_profile_and_neither_the_table_nor_the_model(
        self, tracked: Workspace, trained: TrainedRecord, test_csv: bytes
    ) -> None:
        """Both are gone."""
        model = registered(tracked, trained)
        path = scored(tracked, test_csv)
        remove_table(tracked, trained)
        shutil.rmtree(files_of(tracked, model))
        with pytest.raises(RegistryError), models.loaded(tracked.settings, tracked.ledger, model):
            pass
        record = reported(tracked, path)
        assert record.outcome == "none"
        assert record.inputs.reference == trained.about

    def test_the_verdict_is_the_one_that_table_and_model_give(
        self, tracked: Workspace, train_csv: bytes, test_csv: bytes
    ) -> None:
        """Also where cells are quoted, blank around, or in other columns."""
        lines = train_csv.decode().splitlines()
        odd = [
            lines[0] + ",note",
            *(f'"{line.split(",")[0]}", {line.split(",", 1)[1]} ,x' for line in lines[1:]),
        ]
        record = train_one(tracked, "\r\n".join(odd).encode())
        model = registered(tracked, record)
        settings, table = tracked.settings, tracked.settings.project.table
        current = read_side(MemoryInput(_with_longer_petals(test_csv), "a.csv"), table)

        profile = learnt_profile(tracked, record, model)
        reference = read_side(StoredInput(tracked.store, record.about), table)
        with models.loaded(settings, tracked.ledger, model) as found:
            answers = predicted_classes(found.estimator, reference.sample.select(table.feature_names))
            weights = feature_weights(found.estimator, table.feature_names)
        side = replace(reference, sample=reference.sample.with_columns(answers))

        verdict, _ = compare(profile.side(table), current, table, Known(weights=profile.weights or {}))
        expected, _ = compare(side, current, table, Known(weights=weights or {}))
        assert expected.severity == "high"
        assert verdict == expected

    def test_a_damaged_one_is_made_again(
        self, tracked: Workspace, trained: TrainedRecord, caplog: pytest.LogCaptureFixture
    ) -> None:
        model = registered(tracked, trained)
        [key] = keys(tracked)
        bucket = tracked.settings.bucket
        sound = tracked.store.get(bucket, key)
        tracked.store.put(bucket, key, sound[:-1], "application/octet-stream")
        with caplog.at_level("INFO"):
            profile = learnt_profile(tracked, trained, model)
        assert profile.to_bytes() == sound
        assert f"s3://{bucket}/{key} cannot be used" in caplog.text
        assert f"Making the profile of {model.name} version 1" in caplog.text
        assert tracked.store.get(bucket, key) == sound
        assert keys(tracked) == [key]

    def test_a_lost_one_is_made_again(self, tracked: Workspace, trained: TrainedRecord) -> None:
        model = registered(tracked, trained)
        [key] = keys(tracked)
        sound = tracked.store.get(tracked.settings.bucket, key)
        tracked.store.delete(tracked.settings.bucket, key)
        learnt_profile(tracked, trained, model)
        assert tracked.store.get(tracked.settings.bucket, key) == sound


class TestOlderModel:
    def test_it_gets_its_profile_at_its_first_report_and_the_next_reads_that(
        self, older: Workspace, trained: TrainedRecord, test_csv: bytes
    ) -> None:
        assert [key for key in keys(older) if "/older/" in key] == []
        first = reported(older, scored(older, test_csv))
        [key] = [key for key in keys(older) if "/older/" in key]
        [record] = older.ledger.recent("training")
        assert record.commit_id == trained.commit_id

        remove_table(older, trained)
        looked, store = counted(older)
        second = reported(looked, scored(older, test_csv + b"5.1,3.5,1.4,0.2,setosa\n"))
        assert key in store.reads
        before, after = expect_all(BatchDriftRecord.Evidence, (first.evidence, second.evidence))
        assert after.reference == before.reference
        assert [key for key in keys(older) if "/older/" in key] == [key]

    def test_it_is_the_profile_that_training_makes_now(
        self, tracked: Workspace, older: Workspace, trained: TrainedRecord
    ) -> None:
        [record] = older.ledger.recent("training")
        model = models.staged(older.settings)
        assert isinstance(record, TrainedRecord)
        assert model is not None
        learnt_profile(older, record, model)
        found = ProfileStore.of(older).find(record)
        now = ProfileStore.of(tracked).find(trained)
        assert found is not None
        assert now is not None
        assert found.to_bytes() == now.to_bytes()


def _with_longer_petals(data: bytes) -> bytes:
    frame = pl.read_csv(data).with_columns(pl.col("petal_length") + 2)
    return frame.with_columns(prediction=pl.col("species")).write_csv().encode()
