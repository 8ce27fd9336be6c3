"""The ledger of decisions: append-only JSON records in the team's bucket, each written once.

A record's key derives from the identity of its inputs, and the conditional write of that key
(`If-None-Match: *`) is the commit point of its effect:

    ledger/{env}/{kind}/{day}/{subject}/{variant}.json

`day` is a date that the inputs carry (an object's landing, a parent record's time), `subject` the digest
of the input, `variant` what it was decided with. Before the commit an empty journal entry goes to

    ledger/{env}/journal/{kind}/{day of decision}/{time}~{outcome}~{day}~{subject}~{variant}

so that the newest decisions are read without a full listing. An entry whose decision was never committed,
or was committed by somebody else first, is ignored by readers.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from heapq import merge
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from iris_core.errors import ObjectMissing, StoreError
from iris_core.settings.places import LEDGER
from iris_core.store.objects import ObjectStore, ObjectVersion

Kind = Literal["training", "promotion", "scoring", "performance", "drift", "action"]
KINDS: tuple[Kind, ...] = get_args(Kind)

SUPERSEDED = "superseded"
UNCHANGED = "unchanged"


def _kind(name: str) -> Kind:
    for kind in KINDS:
        if kind == name:
            return kind
    raise ValueError(f"{name!r} is not a kind of decision; there are {', '.join(KINDS)}.")


@dataclass(frozen=True)
class Identity:
    """What a decision is about: the same inputs always give the same identity, and the same key."""

    kind: Kind
    day: date
    subject: str
    variant: str

    @property
    def path(self) -> str:
        """The record's key below the ledger's prefix, without `.json`; names the record elsewhere."""
        return f"{self.kind}/{self.day.isoformat()}/{self.subject}/{self.variant}"

    @classmethod
    def parse(cls, path: str) -> Identity:
        """The identity that `path` names."""
        kind, day, subject, variant = path.split("/")
        return cls(_kind(kind), date.fromisoformat(day), subject, variant)


class Actor(BaseModel):
    """Who decides: owner (`RUN_OWNER`), DAG, run, task and code version; stored in every record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: str = ""
    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    try_number: int = 1
    code_version: str = ""


class Record(BaseModel):
    """One decision. `evidence` holds numbers and thresholds, `outputs` references to what was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    day: date
    subject: str
    variant: str
    outcome: str
    reason: str = ""
    at: datetime
    by: Actor
    inputs: dict[str, Any] = Field(default_factory=dict)
    outputs: dict[str, Any] = Field(default_factory=dict)
    evidence: dict[str, Any] = Field(default_factory=dict)
    points_to: str | None = None
    commit_id: str

    @property
    def identity(self) -> Identity:
        return Identity(self.kind, self.day, self.subject, self.variant)

    def object(self) -> ObjectVersion:
        """The object version that was decided about."""
        return ObjectVersion.model_validate(self.inputs["object"])


@dataclass(frozen=True)
class Committed:
    """The record that stands, and whether this call wrote it."""

    record: Record
    won: bool


class Ledger:
    """The decisions of one environment in one bucket."""

    def __init__(self, store: ObjectStore, bucket: str, env: str) -> None:
        self._store = store
        self._bucket = bucket
        self._records = f"{LEDGER}{env}"
        self._journal = f"{LEDGER}{env}/journal"

    def commit(self, identity: Identity, outcome: str, by: Actor, **content: Any) -> Committed:
        """Decide, once: whoever comes first writes the record, everybody gets the one that stands.

        `content` is a record's reason, inputs, outputs, evidence, points_to.
        """
        record = Record(
            kind=identity.kind,
            day=identity.day,
            subject=identity.subject,
            variant=identity.variant,
            outcome=outcome,
            at=datetime.now(UTC),
            by=by,
            commit_id=uuid.uuid4().hex,
            **content,
        )
        self._store.create(self._bucket, self._entry(record), b"", "application/octet-stream")
        body = record.model_dump_json(indent=1).encode()
        if self._store.create(self._bucket, self._key(identity), body, "application/json"):
            return Committed(record, won=True)
        standing = self.get(identity)
        if standing is None:
            raise StoreError(f"s3://{self._bucket}/{self._key(identity)}: refused, but not there.")
        return Committed(standing, won=standing.commit_id == record.commit_id)

    def get(self, identity: Identity) -> Record | None:
        """The decision about this identity, if it has been made."""
        return self._read(self._key(identity))

    def of_subject(self, kind: Kind, day: date, subject: str) -> list[Record]:
        """Every decision of a kind about one subject, oldest first."""
        prefix = f"{self._records}/{kind}/{day.isoformat()}/{subject}"
        records = [self._read(key) for key in self._store.keys(self._bucket, prefix)]
        return sorted((record for record in records if record), key=lambda record: record.at)

    def decided_on(self, kind: Kind, day: date) -> dict[str, tuple[str, ...]]:
        """Subjects with a decision of a kind, of one day, and its variants: one listing, nothing read."""
        prefix = f"{self._records}/{kind}/{day.isoformat()}"
        found: dict[str, tuple[str, ...]] = {}
        alike: dict[tuple[str, ...], tuple[str, ...]] = {}
        for key in self._store.keys(self._bucket, prefix):
            _, subject, variant = key.removesuffix(".json").rsplit("/", 2)
            variants = (*found.get(subject, ()), variant)
            found[subject] = alike.setdefault(variants, variants)
        return found

    def maybe_superseded(self, kind: Kind) -> set[str]:
        """Subjects that a decision `superseded` was tried about: all of which one was made, and few others.

        One listing of the kind's journal, nothing read.
        """
        base = f"{self._journal}/{kind}"
        names = (key.removeprefix(f"{base}/").split("~") for key in self._store.keys(self._bucket, base))
        return {subject for _, outcome, _, subject, _ in names if outcome == SUPERSEDED}

    def recent(
        self, *kinds: Kind, outcome: str | None = None, before: datetime | None = None
    ) -> Iterator[Record]:
        """Decisions, newest first; reads only what is consumed.

        :param kinds: all when none is given.
        :param outcome: only decisions with this outcome; others are not even read.
        :param before: leave out what was decided at this time or later.
        """
        streams = (self._recent(kind, outcome, before) for kind in kinds or KINDS)
        return merge(*streams, key=lambda record: record.at, reverse=True)

    def _recent(self, kind: Kind, outcome: str | None, before: datetime | None) -> Iterator[Record]:
        limit = _stamp(before) if before else "9999"
        for moment, decided, identity in self.journal(kind, limit):
            if outcome in (None, decided):
                record = self.get(identity)
                if record and _stamp(record.at) == moment:
                    yield record

    def journal(self, kind: Kind, limit: str = "9999") -> Iterator[tuple[str, str, Identity]]:
        """Journal entries of a kind, newest first: moment, outcome, identity. Nothing is read.

        An entry may have lost its commit to another one: the record tells.
        """
        base = f"{self._journal}/{kind}"
        for day in reversed(self._store.folders(self._bucket, base)):
            if day > limit:
                continue
            for key in sorted(self._store.keys(self._bucket, f"{base}/{day}"), reverse=True):
                moment, decided, day_of_inputs, subject, variant = key.removeprefix(f"{base}/").split("~")
                if moment < limit:
                    yield moment, decided, Identity(kind, date.fromisoformat(day_of_inputs), subject, variant)

    def _entry(self, record: Record) -> str:
        name = "~".join((record.outcome, record.day.isoformat(), record.subject, record.variant))
        return f"{self._journal}/{record.kind}/{_stamp(record.at)}~{name}"

    def _key(self, identity: Identity) -> str:
        return f"{self._records}/{identity.path}.json"

    def _read(self, key: str) -> Record | None:
        try:
            raw = self._store.get(self._bucket, key)
        except ObjectMissing:
            return None
        try:
            return Record.model_validate_json(raw)
        except ValidationError as error:
            raise StoreError(
                f"s3://{self._bucket}/{key} is not a ledger record ({error.error_count()} problems). "
                "Records are only ever written by Iris: restore this one from its earlier version."
            ) from error


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d/%H%M%S.%f")
