"""Answers about the decisions of one kind for a look at everything, from a checkpoint and what came after it.

The ledger itself answers about versions that the checkpoint does not have, or that were decided since: one
listing for such a version, or one for its day where there are many of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from iris_core.ledger.checkpoint import Checkpoints, Recent, grouped
from iris_core.ledger.identity import Kind, Variant
from iris_core.ledger.ledger import Ledger
from iris_core.ledger.packed import NONE, Packed, Standing, digest_bytes
from iris_core.ledger.recorded import UNUSUAL, records_about
from iris_core.ledger.records.objects import ObjectRecord
from iris_core.store.versions import ListedVersion, ObjectVersion

PAGE_WORTH = 100
"""A day of so many known versions is listed rather than asked about once more."""


@dataclass
class Checkpointed:
    """Answers from a checkpoint; reads records only where `about` is asked, or the journal lacks a decision.

    :param ledger: the ledger.
    :param kind: the kind of decision.
    """

    ledger: Ledger
    kind: Kind
    are_records: bool = False
    _read: dict[str, list[ObjectRecord]] = field(default_factory=dict)
    _added: dict[str, Standing] = field(default_factory=dict)
    _asked: Counter[str] = field(default_factory=Counter)
    _listed: Packed = field(default_factory=Packed)
    _last: tuple[ObjectVersion, Standing] | None = None

    @property
    def known(self) -> int:
        """About how many versions are decided."""
        packed, recent = self._known
        return sum(day.count for day in packed.days.values()) + len(recent)

    def variants(self, version: ObjectVersion) -> tuple[Variant, ...]:
        """Variants already decided for this version; empty without a decision."""
        return self._standing(version).variants

    def outcomes(self, version: ObjectVersion) -> Collection[str]:
        """Those of the `UNUSUAL` outcomes that decisions about this version have, or may have."""
        return self._standing(version).outcomes

    def settled(self, versions: Sequence[ListedVersion], /) -> tuple[Variant, ...]:
        """Variants of the newest of a key's versions, if the checkpoint has all, nothing was decided about
        them since, and the newest has no `UNUSUAL` outcome; else empty. For nearly all keys it has them.
        """
        packed, since = self._known[0], self._since
        newest: Standing | None = None
        for item in versions:
            digest = item.digest_bytes
            known = packed.of_digest(item.day, digest)
            if known is None or digest in since:
                return ()
            newest = newest or known
        return newest.variants if newest and not newest.outcomes else ()

    def about(self, version: ObjectVersion) -> list[ObjectRecord]:
        """Decisions about a version, oldest first; reads nothing if there are none."""
        digest = version.digest
        if digest not in self._read:
            is_decided = bool(self.variants(version))
            self._read[digest] = records_about(self.ledger, self.kind, version) if is_decided else []
        return self._read[digest]

    def add(self, record: ObjectRecord) -> None:
        """Add a decision that was made just now."""
        version = record.about
        self.about(version).append(record)
        known = self._standing(version)
        outcomes = known.outcomes | (UNUSUAL & {record.outcome})
        self._added[version.digest] = Standing((*known.variants, record.variant), outcomes)
        self._since.add(bytes.fromhex(version.digest))
        self._last = None

    @cached_property
    def _known(self) -> tuple[Packed, Recent]:
        return Checkpoints(self.ledger, self.kind, UNUSUAL).newest(datetime.now(UTC))

    @cached_property
    def _since(self) -> set[bytes]:
        """Digests of the versions that were decided since the checkpoint was made."""
        return {digest for _, subject in self._known[1] if (digest := digest_bytes(subject))}

    def _standing(self, version: ObjectVersion) -> Standing:
        if self._last is None or self._last[0] is not version:
            self._last = version, self._found(version)
        return self._last[1]

    def _found(self, version: ObjectVersion) -> Standing:
        day, digest = version.landed_at.date().isoformat(), version.digest
        if digest in self._added:
            return self._added[digest]
        packed, recent = self._known
        known, since = packed.find(day, digest), recent.get((day, digest))
        if known and since is None:
            return known
        variants, named = self._variants(day, digest), (known or NONE, since or NONE)
        if {*variants} <= {variant for standing in named for variant in standing.variants}:
            return Standing(variants, named[0].outcomes | named[1].outcomes)
        found = {record.outcome for record in records_about(self.ledger, self.kind, version)}
        return Standing(variants, UNUSUAL & found)

    def _variants(self, day: str, digest: str) -> tuple[Variant, ...]:
        """The variants that the ledger has now for a version."""
        if day not in self._listed.days:
            self._asked[day] += 1
            known = self._known[0].days.get(day)
            if known and self._asked[day] * PAGE_WORTH <= known.count:
                return self.ledger.variants_of(self.kind, day, digest)
            listed = grouped(self.ledger.decided_keys(self.kind, day))
            self._listed.put(day, ((subject, Standing(found, NONE.outcomes)) for subject, found in listed))
        return (self._listed.find(day, digest) or NONE).variants
