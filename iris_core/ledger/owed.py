"""What is owed: objects in the bucket minus records in the ledger. Reads only.

Of every key the newest version counts, unless a delete marker hides it. `reconcile` records what needs no
work, and says what does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from itertools import groupby, islice

from iris_core.ledger.identity import Identity, Kind, Variant
from iris_core.ledger.ledger import Ledger
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.objects import ObjectRecord
from iris_core.store.markers import is_marker
from iris_core.store.objects import ObjectStore
from iris_core.store.versions import ListedVersion, ObjectVersion

REMEMBERED = 200
"""As many of the newest decisions are looked through for the last one about an unversioned key."""


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

    def variants(self, version: ObjectVersion) -> tuple[Variant, ...]:
        """Variants already decided for this version; empty when nothing was decided."""
        day = version.landed_at.date()
        if day not in self._days:
            self._days[day] = self.ledger.decided_on(self.kind, day)
        return self._days[day].get(version.digest, ())

    def about(self, version: ObjectVersion) -> list[ObjectRecord]:
        """Decisions about a version, oldest first: read only where there are any."""
        if not self.variants(version):
            return []
        found = self.ledger.of_subject(self.kind, version.landed_at.date(), version.digest)
        return [record for record in found if isinstance(record, ObjectRecord)]

    def maybe_superseded(self, version: ObjectVersion) -> bool:
        """Whether a decision about a version may be `superseded`; those about any other stand."""
        return version.digest in self._superseded

    @cached_property
    def _superseded(self) -> set[str]:
        return self.ledger.maybe_superseded(self.kind)

    def stands(self, version: ObjectVersion) -> bool:
        """Whether the last decision about a version, with whatever, is another one than `superseded`."""
        if not self.variants(version):
            return False
        return not self.maybe_superseded(version) or self.about(version)[-1].outcome != Outcome.SUPERSEDED

    def pending(self, version: ObjectVersion, variant: str) -> Pending | None:
        """Owed unless decided with this variant; a superseded version that is current again is owed anew."""
        identity = Identity.of_object(self.kind, version, variant)
        if not any(decided.base == variant for decided in self.variants(version)):
            return Pending(version, identity)
        if not self.maybe_superseded(version):
            return None
        mine = [record for record in self.about(version) if record.variant.base == variant]
        if mine[-1].outcome != Outcome.SUPERSEDED:
            return None
        return Pending(version, identity.again(len(mine)))

    def before(self, pending: Pending, older: Iterable[ListedVersion]) -> ObjectRecord | None:
        """The last decision, made with the same variant, about the version before; None if it had another.

        Superseded ones decide nothing. In a bucket that keeps no older versions only the ledger remembers.
        """
        if pending.object.version_id is None:
            found = self._remembered(pending.object.key)
        else:
            found = next((records for item in older if (records := self._standing(item.object))), [])
        mine = [r for r in found if r.variant.base == pending.identity.variant.base]
        return mine[-1] if mine else None

    def _standing(self, version: ObjectVersion) -> list[ObjectRecord]:
        return [record for record in self.about(version) if record.outcome != Outcome.SUPERSEDED]

    def _remembered(self, key: str) -> list[ObjectRecord]:
        for record in islice(self.ledger.recent(self.kind), REMEMBERED):
            if not isinstance(record, ObjectRecord) or record.outcome == Outcome.SUPERSEDED:
                continue
            if record.about.key == key:
                return [record]
        return []


def unaccounted(store: ObjectStore, ledger: Ledger, kind: Kind, source: Source) -> Iterator[ObjectVersion]:
    """Versions that nothing was decided about yet, with whatever configuration."""
    decisions = Decisions(ledger, kind)
    for _, versions in source.by_key(store):
        for item in versions:
            if not decisions.variants(item.object) or _returned(item, decisions):
                yield item.object


def _returned(item: ListedVersion, decisions: Decisions) -> bool:
    if not item.is_current or not decisions.maybe_superseded(item.object):
        return False
    return all(record.outcome == Outcome.SUPERSEDED for record in decisions.about(item.object))
