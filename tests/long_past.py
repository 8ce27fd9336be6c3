"""A long past in a store in memory: the one of bench-history, and one of many model versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from benchmarks.past import Past, Sample, Stored
from iris_core.ledger import Actor, Identity, Ledger, ModelRef, Outcome, Record
from iris_core.ledger.identity import Variant
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.settings.variables import load_settings
from iris_core.store.versions import ObjectVersion
from tests.memory import MemoryStore
from tests.records import like

BUCKET = "a-bucket"


def in_memory(store: MemoryStore) -> Workspace:
    """A workspace on this store."""
    settings = load_settings({"TEAM_S3_BUCKET": BUCKET, "TEAM_S3_TEST_KEY": "in/"})
    return Workspace(settings, store, Ledger(store, BUCKET, "dev"), Actor())


class _Remembered(Past):
    """Writes into the memory of a store, without a request."""

    @property
    def memory(self) -> MemoryStore:
        assert isinstance(self.workspace.store, MemoryStore)
        return self.workspace.store

    def _send(self, objects: Iterable[Stored]) -> None:
        for one in objects:
            if one.landed_at is None:
                self.memory.keep(one.key, one.body)

    def _landed(self, inputs: Iterable[Stored]) -> Iterator[ObjectVersion]:
        for version in super()._landed(inputs):
            self.memory.landed[version.key] = [version, *self.memory.landed.get(version.key, ())]
            yield version


def decided(objects: int) -> Workspace:
    """So many decided objects, evenly over 100 days, as in bench-history."""
    workspace = in_memory(MemoryStore())
    table = like(TrainedRecord).about.model_copy(update={"landed_at": datetime.now(UTC)})
    trained = like(TrainedRecord, inputs={"object": table})
    sample = Sample(trained, like(VerdictRecord), like(ScoredRecord), like(BatchDriftRecord))
    _Remembered(workspace, sample, takes_times=True).write(objects, days=100)
    return workspace


def lived(versions: int) -> Workspace:
    """So many versions, an hour apart, each trained, promoted, and used once."""
    workspace = in_memory(MemoryStore())
    for version, records in lives(versions, datetime.now(UTC)):
        for record in records:
            keep(workspace, record)
        workspace.ledger.note_version(version, records[0].identity)
    return workspace


def lives(
    versions: int, now: datetime
) -> Iterator[tuple[int, tuple[TrainedRecord, VerdictRecord, ScoredRecord]]]:
    """Each of so many versions, an hour apart until now, with its training, promotion, and one use of it."""
    table = like(TrainedRecord).about
    for version in range(1, versions + 1):
        at, run = now - timedelta(hours=versions + 1 - version), f"{version:032x}"
        landed = table.model_copy(update={"landed_at": at, "version_id": run})
        first = like(
            TrainedRecord,
            identity=Identity.of_object("training", landed, "c1"),
            at=at + timedelta(seconds=9),
            inputs={"object": landed},
            outputs={"run_id": run},
        )
        model = ModelRef(name="m", version=version, run_id=run, training=first.identity.path)
        times = {"trained_at": first.at, "landed_at": at}
        gate = like(
            VerdictRecord,
            outcome=Outcome.PROMOTED,
            identity=Identity.of_verdict(run, first.at),
            at=at + timedelta(seconds=20),
            inputs={"model": "m", "version": version, "run_id": run, "training": model.training, **times},
        )
        used = like(
            ScoredRecord,
            identity=Identity("scoring", at.date(), run, Variant(model.variant)),
            at=at + timedelta(seconds=30),
            inputs={"object": landed, "model": model},
        )
        yield version, (first, gate, used)


def keep(workspace: Workspace, record: Record) -> None:
    """Keep a record and its journal entry, without a request."""
    assert isinstance(workspace.store, MemoryStore)
    entry, key = workspace.ledger.keys_of(record)
    workspace.store.keep(entry, b"")
    workspace.store.keep(key, record.model_dump_json().encode())
