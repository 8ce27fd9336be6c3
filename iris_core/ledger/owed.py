"""What is owed: objects in the bucket minus records in the ledger. Reads only.

Of every key the newest version counts, unless a delete marker hides it; of a newest one that cannot be used,
the one before. `reconcile` records what needs no work, and says what does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from itertools import groupby, islice

from iris_core.ledger.identity import Identity, Kind, Variant
from iris_core.ledger.ledger import Ledger
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.base import Record
from iris_core.ledger.records.objects import ObjectRecord, UnchangedRecord
from iris_core.store.markers import is_marker
from iris_core.store.objects import ObjectStore
from iris_core.store.versions import ListedVersion, ObjectVersion

REMEMBERED = 200
"""As many of the newest decisions are looked through for those about unversioned keys."""
OPENING = frozenset({Outcome.SUPERSEDED, Outcome.REOPENED})
"""What leaves a version open: it is owed when it is the one that counts."""
UNSOUND = frozenset({Outcome.REJECTED, Outcome.FAILED})
"""What nothing came of: an older version that still waits counts instead."""


@dataclass(frozen=True)
class Source:
    """Where objects land: one key, or every key below a prefix ending in `/`."""

    bucket: str
    key: str

    def matches(self, key: str, size: int | None = None) -> bool:
        """Whether an object of this name belongs here; below a prefix, markers and hidden files never do."""
        if self.key.endswith("/"):
            return key.startswith(self.key) and not is_marker(key.removeprefix(self.key), size)
        return key == self.key

    def by_key(self, store: ObjectStore) -> Iterator[tuple[str, list[ListedVersion]]]:
        """Each key with its versions, newest first; one key's versions are held at a time."""
        versions = store.versions(self.bucket, self.key)
        listed = (item for item in versions if self.matches(item.object.key, item.object.size))
        for key, versions in groupby(listed, key=lambda item: item.object.key):
            yield key, list(versions)

    def newest(self, store: ObjectStore) -> ObjectVersion | None:
        """The current version that landed last, of whichever key."""
        current = (versions[0] for _, versions in self.by_key(store) if versions[0].is_current)
        return max((item.object for item in current), key=lambda it: it.landed_at, default=None)


@dataclass(frozen=True)
class Pending:
    """An object version that a decision is owed about, and the identity to commit it under."""

    object: ObjectVersion
    identity: Identity


@dataclass
class Decisions:
    """The ledger's decisions of one kind, asked as objects come up.

    Nearly all questions are answered from listings, one a day and one of the journal: a hundred thousand
    decided objects cost no read each. What is committed meanwhile is seen by the next look.
    """

    ledger: Ledger
    kind: Kind
    _days: dict[date, dict[str, tuple[Variant, ...]]] = field(default_factory=dict)
    _read: dict[str, list[ObjectRecord]] = field(default_factory=dict)

    def variants(self, version: ObjectVersion) -> tuple[Variant, ...]:
        """Variants already decided for this version; empty when nothing was decided."""
        day = version.landed_at.date()
        if day not in self._days:
            self._days[day] = self.ledger.decided_on(self.kind, day)
        return self._days[day].get(version.digest, ())

    def about(self, version: ObjectVersion) -> list[ObjectRecord]:
        """Decisions about a version, oldest first: read only where there are any."""
        if version.digest not in self._read:
            found: list[Record] = []
            if self.variants(version):
                found = self.ledger.of_subject(self.kind, version.landed_at.date(), version.digest)
            self._read[version.digest] = [record for record in found if isinstance(record, ObjectRecord)]
        return self._read[version.digest]

    def standing(self, version: ObjectVersion) -> list[ObjectRecord]:
        """The last decision with each variant, where it leaves the version not open."""
        last = {record.variant.base: record for record in self.about(version)}
        return [record for record in last.values() if record.outcome not in OPENING]

    def pending(self, version: ObjectVersion, variant: str, older: Sequence[ListedVersion]) -> Pending | None:
        """What is owed about a version that counts, if anything is.

        Owed is what was not decided with this variant; and again what was left open, or was recorded as
        unchanged before a decision about other content came to lie between.

        :param variant: the configuration's or the model's.
        :param older: the versions before it, newest first.
        """
        identity = Identity.of_object(self.kind, version, variant)
        if not any(decided.base == variant for decided in self.variants(version)):
            return Pending(version, identity)
        if not self._may_be_open(version, older):
            return None
        mine = [record for record in self.about(version) if record.variant.base == variant]
        is_owed = mine[-1].outcome in OPENING or self._is_outdated(mine[-1], older)
        return Pending(version, identity.again(len(mine))) if is_owed else None

    def is_open(self, version: ObjectVersion, older: Sequence[ListedVersion]) -> bool:
        """Whether no decision about a version stands, with whatever variant.

        :param older: the versions before it, newest first.
        """
        if self.variants(version) and not self._may_be_open(version, older):
            return False
        return all(self._is_outdated(record, older) for record in self.standing(version))

    def counting(
        self, versions: Sequence[ListedVersion]
    ) -> Iterator[tuple[ObjectVersion, Sequence[ListedVersion]]]:
        """The version of a key that counts, and before it those newer ones that nothing came of.

        With each the versions before it. None counts under a delete marker.

        :param versions: of one key, newest first.
        """
        for place, item in enumerate(versions if versions[0].is_current else ()):
            older = versions[place + 1 :]
            yield item.object, older
            if not self._is_unsound(item.object, older):
                return

    def is_useless(self, version: ObjectVersion) -> bool:
        """Whether nothing came of a version, as the journal has it. Nothing is read."""
        return self._tried(version, UNSOUND) and not self._tried(version, {Outcome.REOPENED})

    def add(self, record: ObjectRecord) -> None:
        """Take in a decision that was made just now."""
        version = record.about
        self.about(version).append(record)
        self._days[version.landed_at.date()][version.digest] = (*self.variants(version), record.variant)
        self._unusual.setdefault(version.digest, set()).add(record.outcome)

    def _is_unsound(self, version: ObjectVersion, older: Sequence[ListedVersion]) -> bool:
        """Read only where it matters, because one before it waits."""
        if not any(self._is_waiting(item.object) for item in older):
            return self.is_useless(version)
        if not self._tried(version, UNSOUND | {Outcome.UNCHANGED}):
            return False
        found = self.standing(version)
        return bool(found) and all(self._repeated(record).outcome in UNSOUND for record in found)

    def _repeated(self, record: ObjectRecord) -> Record:
        return (record.points_to and self.ledger.get(record.points_to)) or record

    def _is_waiting(self, version: ObjectVersion) -> bool:
        return not self.variants(version) or self._tried(version, OPENING)

    def _tried(self, version: ObjectVersion, outcomes: Iterable[str]) -> bool:
        """Whether a decision with one of these outcomes may have been made about a version."""
        return not self._unusual.get(version.digest, frozenset()).isdisjoint(outcomes)

    @cached_property
    def _unusual(self) -> dict[str, set[str]]:
        return self.ledger.tried(self.kind, (*OPENING, *UNSOUND, Outcome.UNCHANGED))

    def _may_be_open(self, version: ObjectVersion, older: Sequence[ListedVersion]) -> bool:
        """Whether a decided version may be owed again; false without reading anything for nearly all."""
        if self._tried(version, OPENING):
            return True
        if not self._tried(version, {Outcome.UNCHANGED}):
            return False
        if version.version_id is None:
            return any(record.about.etag != version.etag for record in self._before(version, older))
        decided = (item.object for item in older if self.variants(item.object))
        for before in decided:
            if before.etag != version.etag:
                return True
            if not self._tried(before, OPENING | {Outcome.UNCHANGED}):
                return False
        return False

    def _is_outdated(self, record: ObjectRecord, older: Sequence[ListedVersion]) -> bool:
        """Whether a version is not unchanged any more: other content was decided about in between."""
        if not isinstance(record, UnchangedRecord):
            return False
        before = self.before(record.about, record.variant.base, older)
        return before is not None and before.about.etag != record.about.etag

    def before(
        self, version: ObjectVersion, variant: str, older: Sequence[ListedVersion]
    ) -> ObjectRecord | None:
        """The last decision, made with the same variant, about the version before; None if it had another.

        :param variant: the configuration's or the model's.
        :param older: the versions before it, newest first. In a bucket that keeps none only the ledger
            remembers.
        """
        mine = [record for record in self._before(version, older) if record.variant.base == variant]
        return mine[-1] if mine else None

    def _before(self, version: ObjectVersion, older: Sequence[ListedVersion]) -> list[ObjectRecord]:
        """What stands about the nearest version before that something was made of, or tried.

        One that was unchanged only repeats an earlier one: other content between the two goes first.
        """
        if version.version_id is None:
            found = self._remembered.get(version.key)
            return [found] if found and found.about.digest != version.digest else []
        repeats: list[ObjectRecord] = []
        for item in older:
            if repeats and item.object.etag == repeats[0].about.etag:
                if any(item.object.digest in (record.points_to or "") for record in repeats):
                    break
                continue
            records = self.standing(item.object)
            if any(not isinstance(record, UnchangedRecord) for record in records):
                return records
            repeats = repeats or records
        return repeats

    @cached_property
    def _remembered(self) -> dict[str, ObjectRecord]:
        """By key, what landed last of what something was made of; of the newest decisions only."""
        entries = self.ledger.journal(self.kind)
        worked = (entry for entry in entries if entry.outcome not in OPENING | {Outcome.UNCHANGED})
        found: dict[str, ObjectRecord] = {}
        for entry in islice(worked, REMEMBERED):
            record = self.ledger.find(ObjectRecord, entry.identity)
            if record is None or record.at != entry.at:
                continue
            known = found.get(record.about.key)
            if known is None or record.about.landed_at > known.about.landed_at:
                found[record.about.key] = record
        return found


def unaccounted(store: ObjectStore, ledger: Ledger, kind: Kind, source: Source) -> Iterator[ObjectVersion]:
    """Versions that a decision is owed about, with whatever configuration."""
    decisions = Decisions(ledger, kind)
    for _, versions in source.by_key(store):
        counting = decisions.counting(versions)
        opened = {version.digest for version, older in counting if decisions.is_open(version, older)}
        for item in versions:
            if item.object.digest in opened or not decisions.variants(item.object):
                yield item.object
