"""What the ledger says about object versions, asked in one of two ways.

`Checkpointed` suits a look at everything: a checkpoint, and listings of what came after it.
`Subjects` suit a look at a few objects: one listing for each version, and its records.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from iris_core.ledger.identity import Kind, Variant
from iris_core.ledger.ledger import Ledger
from iris_core.ledger.outcomes import Outcome
from iris_core.ledger.records.objects import ObjectRecord
from iris_core.store.versions import ListedVersion, ObjectVersion

OPENING = frozenset({Outcome.SUPERSEDED, Outcome.REOPENED})
"""Outcomes that leave a version open: it is owed if it is the one that counts."""
UNSOUND = frozenset({Outcome.REJECTED, Outcome.FAILED})
"""Outcomes that make a version useless: an older version that still waits counts instead."""
UNUSUAL = OPENING | UNSOUND | {Outcome.UNCHANGED}


class Recorded(Protocol):
    """Answers about the decisions of one kind. Decisions that others commit meanwhile may not be seen."""

    @property
    def are_records(self) -> bool:
        """Whether outcomes are those of records, not of journal entries: then no pre-check saves a read."""

    @property
    def known(self) -> int:
        """About how many versions are decided; 0 where that is not asked."""

    def variants(self, version: ObjectVersion) -> tuple[Variant, ...]:
        """Variants already decided for this version; empty without a decision."""

    def outcomes(self, version: ObjectVersion) -> Collection[str]:
        """Those of the `UNUSUAL` outcomes that decisions about this version have, or may have."""

    def settled(self, versions: Sequence[ListedVersion], /) -> tuple[Variant, ...]:
        """Variants of the newest of a key's versions, if it is known without a request that all are decided
        and that the newest has no `UNUSUAL` outcome; else empty.
        """

    def about(self, version: ObjectVersion) -> list[ObjectRecord]:
        """Decisions about a version, oldest first; reads nothing if there are none."""

    def add(self, record: ObjectRecord) -> None:
        """Add a decision that was made just now."""


@dataclass
class Subjects:
    """Answers from each version's own records."""

    ledger: Ledger
    kind: Kind
    are_records: bool = True
    known: int = 0
    _read: dict[str, list[ObjectRecord]] = field(default_factory=dict)

    def variants(self, version: ObjectVersion) -> tuple[Variant, ...]:
        return tuple(record.variant for record in self.about(version))

    def outcomes(self, version: ObjectVersion) -> Collection[str]:
        return {record.outcome for record in self.about(version)} & UNUSUAL

    def settled(self, _: Sequence[ListedVersion], /) -> tuple[Variant, ...]:
        return ()

    def about(self, version: ObjectVersion) -> list[ObjectRecord]:
        if version.digest not in self._read:
            self._read[version.digest] = records_about(self.ledger, self.kind, version)
        return self._read[version.digest]

    def add(self, record: ObjectRecord) -> None:
        self.about(record.about).append(record)


def records_about(ledger: Ledger, kind: Kind, version: ObjectVersion) -> list[ObjectRecord]:
    """The decisions of one kind about an object version, oldest first."""
    found = ledger.of_subject(kind, version.landed_at.date(), version.digest)
    return [record for record in found if isinstance(record, ObjectRecord)]
