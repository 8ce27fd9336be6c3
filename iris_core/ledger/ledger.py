"""The ledger of decisions: append-only JSON records in the team's bucket, each written once.

The conditional write of a record's key (`If-None-Match: *`) is the commit point of its effect:

    ledger/{section}/{identity}.json

Before the record, an empty journal entry is written to `ledger/{section}/journal/{kind}/{entry}`. Readers
ignore an entry whose record was never committed, or was committed by another attempt.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from heapq import merge
from typing import TypeVar

from pydantic import ValidationError

from iris_core.errors import ObjectMissing, StoreError
from iris_core.ledger.bounded import MOST_BYTES, fitted
from iris_core.ledger.identity import KINDS, Identity, Kind, Variant
from iris_core.ledger.journal import JournalEntry, is_entry, named_in, newest_first, stamp
from iris_core.ledger.records import parse
from iris_core.ledger.records.base import Record
from iris_core.settings.places import CHECKPOINTS, LEDGER
from iris_core.store.objects import ObjectStore

Found = TypeVar("Found", bound=Record)


def _fitting(record: Record) -> tuple[Record, bytes]:
    """The record as it is stored, shortened if need be, and its bytes: at most `MOST_BYTES`."""
    body = record.model_dump_json(indent=1).encode()
    if len(body) <= MOST_BYTES:
        return record, body
    content, left_out = fitted(record.model_dump(mode="json"))
    shorter = parse(json.dumps({**content, "left_out": left_out}).encode())
    return shorter, shorter.model_dump_json(indent=1).encode()


@dataclass(frozen=True)
class Committed:
    """The record that stands, and whether this call wrote it."""

    record: Record
    won: bool

    def standing(self, what: type[Found]) -> Found:
        """The record that stands, as this type.

        :raises StoreError: it has another type.
        """
        if isinstance(self.record, what):
            return self.record
        raise StoreError(f"{self.record.identity} is {self.record.outcome}, expected {what.__name__}.")


class Ledger:
    """Decisions of one project in one environment: the section (`Names.section`) of one bucket's ledger."""

    def __init__(self, store: ObjectStore, bucket: str, section: str) -> None:
        self._store = store
        self._bucket = bucket
        self._records = f"{LEDGER}{section}"
        self._journal = f"{LEDGER}{section}/journal"
        self._versions = f"{LEDGER}{section}/versions"
        self._tries = f"{LEDGER}{section}/tries"
        self._checkpoints = f"{CHECKPOINTS}{section}"

    @property
    def address(self) -> str:
        """Where the records are."""
        return f"s3://{self._bucket}/{self._records}"

    def commit(self, record: Record) -> Committed:
        """Commit a decision, once: the first call writes its record, every call returns the one that stands.

        :raises StoreError: the store does not answer, or the record that stands cannot be read.
        """
        record, body = _fitting(record)
        entry, key = self.keys_of(record)
        self._store.create(self._bucket, entry, b"", "application/octet-stream")
        if self._store.create(self._bucket, key, body, "application/json"):
            return Committed(record, won=True)
        standing = self.get(record.identity)
        if standing is None:
            raise StoreError(f"s3://{self._bucket}/{key}: refused, but not there.")
        return Committed(standing, won=standing.commit_id == record.commit_id)

    def keys_of(self, record: Record) -> tuple[str, str]:
        """The keys of a record's journal entry, and of the record."""
        entry = JournalEntry(record.at, record.outcome, record.identity)
        return f"{self._journal}/{record.kind}/{entry.name}", self._key(record.identity)

    def get(self, identity: Identity | str) -> Record | None:
        """The record with this identity or path; None if there is none, or the path names no identity."""
        if isinstance(identity, str):
            try:
                identity = Identity.parse(identity)
            except ValueError:
                return None
        return self._read(self._key(identity))

    def find(self, what: type[Found], identity: Identity | str) -> Found | None:
        """The record with this identity, if there is one and it has this type; else None."""
        record = self.get(identity)
        return record if isinstance(record, what) else None

    def of_subject(self, kind: Kind, day: date, subject: str) -> list[Record]:
        """All records of one kind, day and subject, oldest first.

        :param kind: the kind of decision.
        :param day: the day in their identity.
        :param subject: the subject in their identity.
        """
        prefix = f"{self._records}/{kind}/{day.isoformat()}/{subject}"
        records = [self._read(key) for key in self._store.keys(self._bucket, prefix)]
        return sorted((record for record in records if record), key=lambda record: record.at)

    def decided_on(self, kind: Kind, day: date) -> dict[str, tuple[Variant, ...]]:
        """Subjects with decisions of a kind and day, and their variants. One listing; reads no record."""
        prefix = f"{self._records}/{kind}/{day.isoformat()}"
        found: dict[str, tuple[Variant, ...]] = {}
        alike: dict[tuple[Variant, ...], tuple[Variant, ...]] = {}
        for key in self._store.keys(self._bucket, prefix):
            _, subject, variant = key.removesuffix(".json").rsplit("/", 2)
            variants = (*found.get(subject, ()), Variant(variant))
            found[subject] = alike.setdefault(variants, variants)
        return found

    def note_version(self, version: int, training: Identity) -> None:
        """Note which training a version of the registered model came of. Derived: it may be lost.

        :param version: the version's number.
        :param training: the identity of the training's record.
        """
        key = f"{self._versions}/{version}/{training.path}"
        self._store.create(self._bucket, key, b"", "application/octet-stream")

    def trainings_of(self, version: int) -> list[str]:
        """Paths noted as those of a version's trainings: several where a new registry counts from 1 again."""
        base = f"{self._versions}/{version}"
        return [key.removeprefix(f"{base}/") for key in self._store.keys(self._bucket, base)]

    def decided_keys(self, kind: Kind, day: str | None = None) -> Iterator[tuple[str, str, Variant]]:
        """Day, subject and variant of the records of a kind, in lexical order. Reads no record.

        :param kind: the kind of decision.
        :param day: only of this day, such as `2026-01-31`.
        """
        prefix = f"{self._records}/{kind}/{day}" if day else f"{self._records}/{kind}"
        for key in self._store.keys(self._bucket, prefix):
            _, day, subject, variant = key.removesuffix(".json").rsplit("/", 3)
            yield day, subject, Variant(variant)

    def variants_of(self, kind: Kind, day: str, subject: str) -> tuple[Variant, ...]:
        """Variants of the records about one subject. Reads no record.

        :param kind: the kind of decision.
        :param day: the day in their identity.
        :param subject: the subject in it.
        """
        keys = self._store.keys(self._bucket, f"{self._records}/{kind}/{day}/{subject}")
        return tuple(Variant(key.removesuffix(".json").rpartition("/")[2]) for key in keys)

    def decided_since(self, kind: Kind, since: datetime | None) -> Iterator[tuple[str, str, str, str]]:
        """Outcome, day, subject and variant of journal entries, oldest first. Reads no record.

        An entry's attempt may not have committed: only the record shows it.

        :param kind: the kind of decision.
        :param since: only entries of this time and later ones.
        """
        names = self._names(kind, stamp(since) if since else "")
        return (named_in(name.rpartition("/")[2]) for name in names)

    def checkpoint(self, kind: Kind) -> tuple[str, bytearray]:
        """Etag and content of the stored checkpoint of a kind.

        :raises ObjectMissing: there is none.
        """
        version = self._store.head(self._bucket, f"{self._checkpoints}/{kind}")
        body = bytearray()
        for piece in self._store.chunks(version):
            body += piece
        return version.etag, body

    def keep_checkpoint(self, kind: Kind, body: bytes | bytearray, etag: str) -> bool:
        """Store a checkpoint in place of the one with this etag; return whether it was still there.

        :param kind: the kind of decision.
        :param body: the content.
        :param etag: the etag of the one to replace; "" if there is none.
        """
        key = f"{self._checkpoints}/{kind}"
        return self._store.replace(self._bucket, key, body, "application/octet-stream", etag)

    def note_try(self, identity: Identity, name: str, part: str, what: str, told: bytes) -> None:
        """Note that a try at a decision has `begun`, has `failed`, or has `ended` as it should.

        :param identity: the identity of the decision.
        :param name: a name for the task's try.
        :param part: the shard of the object, empty for the whole.
        :param what: `begun`, `failed` or `ended`.
        :param told: text for people: whose try it is, and what went wrong.
        """
        key = f"{self._tries}/{identity.path}/{name}~{part}~{what}"
        self._store.create(self._bucket, key, told, "text/plain")

    def tries(self, identity: Identity) -> int:
        """Number of tries at a decision that failed or died; the shards of one task try count once."""
        begun: set[tuple[str, str]] = set()
        ended: set[tuple[str, str]] = set()
        for key in self._store.keys(self._bucket, f"{self._tries}/{identity.path}"):
            name, part, what = key.rpartition("/")[2].split("~")
            (ended if what == "ended" else begun).add((name, part))
        return len({name for name, _ in begun - ended})

    def recent(
        self, *kinds: Kind, outcome: str | Collection[str] | None = None, before: datetime | None = None
    ) -> Iterator[Record]:
        """Records, newest first; reads only what the caller consumes.

        :param kinds: the kinds of decision; all if none is given.
        :param outcome: only decisions with this outcome, or one of these; others are not even read.
        :param before: only decisions before this time.
        """
        streams = (self._recent(kind, outcome, before) for kind in kinds or KINDS)
        return merge(*streams, key=lambda record: record.at, reverse=True)

    def _recent(
        self, kind: Kind, outcome: str | Collection[str] | None, before: datetime | None
    ) -> Iterator[Record]:
        entries = self.journal(kind, before=before)
        if outcome is not None:
            wanted = {outcome} if isinstance(outcome, str) else outcome
            entries = (entry for entry in entries if entry.outcome in wanted)
        return self.records(entries)

    def records(self, entries: Iterable[JournalEntry]) -> Iterator[Record]:
        """The records that entries of the journal stand for; read as they are consumed."""
        for entry in entries:
            record = self.get(entry.identity)
            if record and record.at == entry.at:
                yield record

    def recent_of(
        self,
        what: type[Found],
        outcome: str | Collection[str] | None = None,
        before: datetime | None = None,
    ) -> Iterator[Found]:
        """Records of one type, newest first; reads only what the caller consumes.

        :param what: the type of the records.
        :param outcome: as of `recent`.
        :param before: only decisions before this time.
        """
        found = self.recent(what.KIND, outcome=outcome, before=before)
        return (record for record in found if isinstance(record, what))

    def journal(
        self, kind: Kind, since: datetime | None = None, before: datetime | None = None
    ) -> Iterator[JournalEntry]:
        """Journal entries of a kind, newest first. Reads no record.

        An entry's attempt may not have committed: only the record shows it.

        :param kind: the kind of decision.
        :param since: only entries of this time and later ones.
        :param before: only entries before this time.
        """
        for name in newest_first(partial(self._names, kind), since, before):
            yield JournalEntry.parse(kind, name)

    def _names(self, kind: Kind, after: str) -> Iterator[str]:
        """Names of a kind's journal entries after the given one, oldest first."""
        base = f"{self._journal}/{kind}"
        keys = self._store.keys(self._bucket, base, after=f"{base}/{after}")
        return filter(is_entry, (key.removeprefix(f"{base}/") for key in keys))

    def _key(self, identity: Identity) -> str:
        return f"{self._records}/{identity.path}.json"

    def _read(self, key: str) -> Record | None:
        try:
            raw = self._store.get(self._bucket, key)
        except ObjectMissing:
            return None
        try:
            return parse(raw)
        except ValidationError as error:
            raise StoreError(
                f"s3://{self._bucket}/{key} is not a ledger record ({error.error_count()} problems). "
                "Records are only ever written by Iris: restore this one from its earlier version."
            ) from error
