"""A long past, written straight into a store: objects, their records and journal entries, over many days.

Its records are copies of a real training, scoring and drift verdict, with identities and times of their own.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from iris_core.ledger import Identity, Record
from iris_core.ledger.records import parse
from iris_core.ledger.records.action import AlertRecord
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.objects import RejectedRecord, UnchangedRecord
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.store.objects import ObjectVersion

TRAININGS = 100
"""One of so many objects is a version of the training data."""
MOST_TRAININGS = 1_000
REJECTED, UNCHANGED, ALERTED = 200, 500, 100
"""One of so many inference objects is rejected, has the content of another, or its verdict alerts."""
PACK = 500
SENDERS = 4
ROWS = b"sepal_length,sepal_width,petal_length,petal_width\n" + b"5.1,3.5,1.4,0.2\n" * 5
EXTRACT = {"X-Amz-Meta-Snowball-Auto-Extract": "true"}


@dataclass(frozen=True)
class Sample:
    """Real records that the past is a copy of."""

    trained: TrainedRecord
    judged: VerdictRecord
    scored: ScoredRecord
    drift: BatchDriftRecord


@dataclass(frozen=True)
class Stored:
    """An object to write; `version_id` and `landed_at` only where the store takes them."""

    key: str
    body: bytes = b""
    version_id: str = ""
    landed_at: datetime | None = None


@dataclass
class Past:
    """Writes a past into a workspace.

    :param workspace: where.
    :param sample: what its records are copies of.
    :param takes_times: whether the store extracts archives and takes version ids and times from them, as
        MinIO does. Into another store every object is put, and has landed now.
    """

    workspace: Workspace
    sample: Sample
    takes_times: bool
    checked: set[type[Record]] = field(default_factory=set)

    def write(self, objects: int, days: int) -> None:
        """Write decided objects, landed evenly over the days before the sample.

        :param objects: how many, training data included.
        :param days: over how many days.
        """
        trainings = min(MOST_TRAININGS, objects // TRAININGS)
        settings, until = self.workspace.settings, self.sample.trained.about.landed_at - timedelta(minutes=5)
        step = timedelta(days=days) / max(objects, 1)
        scored = objects - trainings
        every = max(1, scored // max(trainings, 1))
        inputs = (
            Stored(
                f"{settings.test_key}{number // 1000:05}/{number:08}.csv",
                ROWS + b"%d\n" % number,
                str(uuid.UUID(int=number + 1, version=4)),
                (until - step * (scored - number)).replace(microsecond=0),
            )
            for number in range(scored)
        )
        older = (
            Stored(
                settings.train_key,
                ROWS + b"training %d\n" % number,
                str(uuid.UUID(int=(1 << 64) + number, version=4)),
                (until - step * (scored - number * every)).replace(microsecond=0),
            )
            for number in range(trainings)
        )
        self._send(record for version in self._landed(older) for record in self._trained(version))
        numbered = enumerate(self._landed(inputs))
        self._send(record for number, version in numbered for record in self._scored(number, version))

    def _landed(self, inputs: Iterable[Stored]) -> Iterator[ObjectVersion]:
        """Write objects; yield their versions."""
        store, bucket = self.workspace.store, self.workspace.settings.bucket
        inputs = iter(inputs)
        while pack := list(islice(inputs, PACK * SENDERS)):
            if not self.takes_times:
                with ThreadPoolExecutor(SENDERS) as pool:
                    yield from pool.map(lambda one: store.put(bucket, one.key, one.body, "text/csv"), pack)
                continue
            self._send(pack)
            for one in pack:
                assert one.landed_at
                yield ObjectVersion(
                    bucket=bucket,
                    key=one.key,
                    version_id=one.version_id,
                    etag=hashlib.md5(one.body, usedforsecurity=False).hexdigest(),
                    size=len(one.body),
                    landed_at=one.landed_at,
                )

    def _send(self, objects: Iterable[Stored]) -> None:
        objects = iter(objects)
        packs = iter(lambda: list(islice(objects, PACK)), [])
        with ThreadPoolExecutor(SENDERS) as pool:
            while group := list(islice(packs, SENDERS)):
                list(pool.map(self._pack if self.takes_times else self._each, group))

    def _pack(self, pack: list[Stored]) -> None:
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for one in pack:
                info = tarfile.TarInfo(one.key)
                info.size = len(one.body)
                if one.landed_at:
                    info.mtime = int(one.landed_at.timestamp())
                    info.pax_headers = {"minio.versionId": one.version_id}
                archive.addfile(info, io.BytesIO(one.body))
        size = content.tell()
        content.seek(0)
        bucket = self.workspace.settings.bucket
        self.workspace.store.admin.put_object(
            bucket, f"packed/{uuid.uuid4().hex}.tar", content, size, metadata=dict(EXTRACT)
        )

    def _each(self, pack: list[Stored]) -> None:
        for one in pack:
            bucket = self.workspace.settings.bucket
            self.workspace.store.create(bucket, one.key, one.body, "application/json")

    def _trained(self, version: ObjectVersion) -> Iterator[Stored]:
        sample, run = self.sample, uuid.uuid4().hex
        at = version.landed_at + timedelta(seconds=20)
        identity = Identity.of_object("training", version, sample.trained.variant)
        yield from self._copied(
            sample.trained, identity, at, inputs={"object": version}, outputs={"run_id": run}
        )
        yield from self._copied(sample.judged, Identity.of_verdict(run, at), at + timedelta(seconds=5))

    def _scored(self, number: int, version: ObjectVersion) -> Iterator[Stored]:
        sample, at = self.sample, version.landed_at + timedelta(seconds=10, microseconds=number % 1_000_000)
        identity = Identity.of_object("scoring", version, sample.scored.variant)
        given: dict[str, Any] = {"identity": identity, "by": sample.scored.by, "at": at}
        if number % REJECTED == 1:
            refused = RejectedRecord.Inputs.of(version, sample.scored.model)
            yield from self._stored(RejectedRecord(reason="no table", inputs=refused, **given))
            return
        if number % UNCHANGED == 2:
            same = UnchangedRecord.Inputs.of(version, sample.scored.model)
            first = sample.scored.identity.path
            yield from self._stored(UnchangedRecord(inputs=same, points_to=first, **given))
            return
        yield from self._copied(sample.scored, identity, at, inputs={"object": version})
        yield from self._judged(identity, version, at, alerts=number % ALERTED == 3)

    def _judged(
        self, scoring: Identity, version: ObjectVersion, scored: datetime, alerts: bool
    ) -> Iterator[Stored]:
        """The drift verdict on a scoring; if it alerts, that this was told."""
        verdict, at = Identity.of_drift(scoring, scored), scored + timedelta(seconds=5)
        changes: dict[str, Any] = {"inputs": {"scoring": scoring.path, "current": version}}
        if alerts:
            changes |= {"outcome": "high", "evidence": {"severity": "high"}}
        yield from self._copied(self.sample.drift, verdict, at, **changes)
        if alerts:
            told = AlertRecord(
                identity=Identity.of_alert(verdict, "webhook"),
                by=self.sample.drift.by,
                at=at + timedelta(seconds=1),
                reason="drift high",
                inputs=AlertRecord.Inputs(verdict=verdict.path),
                evidence=AlertRecord.Evidence(channel="webhook", alert=uuid.uuid4().hex, violations="2"),
            )
            yield from self._stored(told)

    def _copied(self, sample: Record, identity: Identity, at: datetime, **changes: Any) -> Iterator[Stored]:
        """A copy of a record and its journal entry.

        :param sample: the record.
        :param identity: of the copy.
        :param at: when it was decided.
        :param changes: the copy's outcome, and what is different in its inputs, outputs and evidence.
        """
        for part in ("inputs", "outputs", "evidence"):
            if part in changes:
                changes[part] = getattr(sample, part).model_copy(update=changes[part])
        fresh = {"identity": identity, "at": at, "commit_id": uuid.uuid4().hex}
        yield from self._stored(sample.model_copy(update=fresh | changes))

    def _stored(self, record: Record) -> Iterator[Stored]:
        """A record and its journal entry; the first of each type is read to see that it parses."""
        body = record.model_dump_json(indent=1).encode()
        if type(record) not in self.checked:
            assert parse(body).identity == record.identity
            self.checked.add(type(record))
        entry, key = self.workspace.ledger.keys_of(record)
        yield from (Stored(entry), Stored(key, body))
