"""What is owed: objects in the bucket minus records in the ledger. Read-only.

The newest version of each key counts, unless a delete marker hides it; if it cannot be used, the version
before it counts. `reconcile` records versions that need no work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from iris_core.ledger.checkpointed import Checkpointed
from iris_core.ledger.identity import Identity, Kind, Variant
from iris_core.ledger.ledger import Ledger
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.recorded import OPENING, UNSOUND, UNUSUAL, Recorded, Subjects
from iris_core.ledger.records.base import Record
from iris_core.ledger.records.objects import ObjectRecord, UnchangedRecord
from iris_core.ledger.source import Source
from iris_core.store.objects import ObjectStore
from iris_core.store.versions import ListedVersion, ObjectVersion

REMEMBERED = 200
"""So many of the newest decisions are searched for those about keys without versions."""


@dataclass(frozen=True)
class Pending:
    """An object version with an owed decision, and the identity under which to commit it."""

    object: ObjectVersion
    identity: Identity


@dataclass
class Decisions:
    """Says what the ledger's decisions of one kind mean for the versions of a key.

    :param ledger: where the decisions are.
    :param kind: the kind of decision.
    :param recorded: what the ledger says about single versions.
    :param named: addresses of versions that are looked at in any case.
    :param using: the variant by whose decision a version is useless or not, where it has one; "" for none.
    """

    ledger: Ledger
    kind: Kind
    recorded: Recorded
    named: Collection[str] = ()
    using: str = ""

    @classmethod
    def of_all(cls, ledger: Ledger, kind: Kind, using: str = "") -> Decisions:
        """For a look at everything: a hundred thousand decided objects need no reads."""
        return cls(ledger, kind, Checkpointed(ledger, kind), using=using)

    @classmethod
    def of_few(cls, ledger: Ledger, kind: Kind, named: Collection[str] = (), using: str = "") -> Decisions:
        """For a look at a few keys: costs the same however much is decided."""
        return cls(ledger, kind, Subjects(ledger, kind), named, using)

    def variants(self, version: ObjectVersion) -> tuple[Variant, ...]:
        """Variants already decided for this version; empty without a decision."""
        return self.recorded.variants(version)

    def settled(self, versions: Sequence[ListedVersion]) -> tuple[Variant, ...]:
        """Variants decided for the newest version of a key, if nothing is open about any version of the key.

        Then only a decision with another variant can be owed, about the newest version. Empty if more must be
        asked to know it.

        :param versions: the versions of one key, newest first.
        """
        return self.recorded.settled(versions)

    def about(self, version: ObjectVersion) -> list[ObjectRecord]:
        """Decisions about a version, oldest first."""
        return self.recorded.about(version)

    def add(self, record: ObjectRecord) -> None:
        """Add a decision that was made just now."""
        self.recorded.add(record)

    def standing(self, version: ObjectVersion) -> list[ObjectRecord]:
        """The last decision of each variant, without those that leave the version open.

        A version that was used stays so, whatever becomes of another training or joining of it.
        """
        found = self.about(version)
        used = {record.variant.base: record for record in found if record.outcome not in UNUSUAL}
        last = {record.variant.base: record for record in found}
        return [
            used.get(base, record) if record.outcome in UNSOUND else record
            for base, record in last.items()
            if record.outcome not in OPENING
        ]

    def pending(self, version: ObjectVersion, variant: str, older: Sequence[ListedVersion]) -> Pending | None:
        """The decision that is owed about a version that counts; None if none is.

        A decision is owed if there is none with this variant, if the last one left the version open, or if
        the version was recorded as unchanged and other content was decided in between.

        :param version: the version.
        :param variant: the variant of the configuration or model.
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
        """Whether no decision about a version stands, of any variant.

        :param version: the version.
        :param older: the versions before it, newest first.
        """
        if self.variants(version) and not self._may_be_open(version, older):
            return False
        return all(self._is_outdated(record, older) for record in self.standing(version))

    def counting(
        self, versions: Sequence[ListedVersion]
    ) -> Iterator[tuple[ObjectVersion, Sequence[ListedVersion]]]:
        """Newer versions of a key that were rejected or failed, then the one that counts.

        Each comes with the versions before it. Below a delete marker no version counts.

        :param versions: the versions of one key, newest first.
        """
        for place, item in enumerate(versions if versions[0].is_current else ()):
            older = versions[place + 1 :]
            yield item.object, older
            if not self._is_unsound(item.object, older):
                return

    def undecided(self, versions: Iterable[ListedVersion]) -> Iterator[ListedVersion]:
        """Versions without a decision among those of a key before the one that is decided, newest first.

        In a look at a few keys the search ends at the first version that was used: what came before it was
        recorded as superseded then. If that attempt was killed, the watchers name what it left.
        """
        is_settled = False
        for item in versions:
            if is_settled and item.object.uri not in self.named:
                continue
            if not self.variants(item.object):
                yield item
            elif self.recorded.are_records:
                is_settled = is_settled or self._was_used(item.object)

    def _was_used(self, version: ObjectVersion) -> bool:
        return any(self._repeated(record).outcome not in UNSOUND for record in self.standing(version))

    def is_useless(self, version: ObjectVersion) -> bool:
        """Whether a version was rejected or failed: with the variant in use, else with every other one.

        Reads records only where the journal shows that, and several decisions.
        """
        if not self._tried(version, UNSOUND):
            return False
        return len(self.variants(version)) == 1 or self._is_refused(version)

    def _is_refused(self, version: ObjectVersion) -> bool:
        found = self.standing(version)
        judged = [record for record in found if record.variant.base == self.using] or found
        return bool(judged) and all(self._repeated(record).outcome in UNSOUND for record in judged)

    def may_wait(self, version: ObjectVersion) -> bool:
        """Whether a version has no decision, or one that may have been reopened. Reads no record."""
        return not self.variants(version) or self._tried(version, {Outcome.REOPENED})

    @property
    def known(self) -> int:
        """About how many versions are decided."""
        return self.recorded.known

    def _is_unsound(self, version: ObjectVersion, older: Sequence[ListedVersion]) -> bool:
        """Whether a version was rejected or failed, or repeats one that was."""
        if not older or not self._tried(version, UNSOUND | {Outcome.UNCHANGED}):
            return False
        if not any(self._is_waiting(item.object) for item in older):
            return self.is_useless(version)
        return self._is_refused(version)

    def _repeated(self, record: ObjectRecord) -> Record:
        return (record.points_to and self.ledger.get(record.points_to)) or record

    def _is_waiting(self, version: ObjectVersion) -> bool:
        return not self.variants(version) or self._tried(version, OPENING)

    def _tried(self, version: ObjectVersion, outcomes: Iterable[str]) -> bool:
        """Whether there may be a decision with one of these outcomes about a version."""
        return not frozenset(outcomes).isdisjoint(self.recorded.outcomes(version))

    def _may_be_open(self, version: ObjectVersion, older: Sequence[ListedVersion]) -> bool:
        """Whether a decided version may be owed again; for nearly all versions no record is read."""
        if self.recorded.are_records:
            return True
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
        """Whether a version recorded as unchanged is no longer: other content was decided in between."""
        if not isinstance(record, UnchangedRecord):
            return False
        before = self.before(record.about, record.variant.base, older)
        return before is not None and before.about.etag != record.about.etag

    def before(
        self, version: ObjectVersion, variant: str, older: Sequence[ListedVersion]
    ) -> ObjectRecord | None:
        """The last decision about the version before this one, if it has this variant; else None.

        :param version: the version.
        :param variant: the variant of the configuration or model.
        :param older: the versions before it, newest first; empty in a bucket without versions, where only the
            ledger knows of them.
        """
        mine = [record for record in self._before(version, older) if record.variant.base == variant]
        return mine[-1] if mine else None

    def _before(self, version: ObjectVersion, older: Sequence[ListedVersion]) -> list[ObjectRecord]:
        """The decisions that stand about the nearest earlier version with more than an `unchanged` decision.

        An unchanged version only repeats an earlier one; a version with other content between the two is
        nearer.
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
        """For each key the decision about the version that landed last, of the newest decisions."""
        entries = self.ledger.journal(self.kind)
        worked = (entry for entry in entries if entry.outcome not in OPENING | {Outcome.UNCHANGED})
        found: dict[str, ObjectRecord] = {}
        for entry in islice(worked, REMEMBERED):
            record = self.ledger.find(ObjectRecord, entry.identity)
            if record is None or (record.at, record.outcome) != (entry.at, entry.outcome):
                continue
            known = found.get(record.about.key)
            if known is None or record.about.landed_at > known.about.landed_at:
                found[record.about.key] = record
        return found


def unaccounted(store: ObjectStore, ledger: Ledger, kind: Kind, source: Source) -> Iterator[ObjectVersion]:
    """Versions that count and have no decision that stands, of any configuration or model. Read-only.

    :param store: where the objects are listed.
    :param ledger: where the decisions are.
    :param kind: the kind of decision.
    :param source: where the objects land.
    """
    decisions = Decisions.of_all(ledger, kind)
    for _, versions in source.by_key(store):
        if decisions.settled(versions):
            continue
        counting = decisions.counting(versions)
        opened = {version.digest for version, older in counting if decisions.is_open(version, older)}
        for item in versions:
            is_open = bool(opened) and item.object.digest in opened
            if is_open or not decisions.variants(item.object):
                yield item.object
