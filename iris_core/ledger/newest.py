"""Finds the decided versions that landed last, by the newest decisions: without a listing of the bucket."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import timedelta

from iris_core.ledger.identity import Kind
from iris_core.ledger.ledger import Ledger
from iris_core.ledger.records.objects import ObjectRecord
from iris_core.store.versions import ObjectVersion

MOST_READ = 100
"""Most records that are read."""
CLOCKS_DIFFER = timedelta(seconds=10)
"""The store's clock, which tells when an object lands, and a worker's, which tells when it is decided."""


def last_landed(ledger: Ledger, kind: Kind) -> Iterator[ObjectVersion | None]:
    """Recorded versions, the one that landed last first; None where the newest decisions do not show which.

    A version is decided after it has landed. So once the journal is read back to the time at which a version
    landed, no version that is decided earlier can have landed later.

    :param ledger: where the decisions are.
    :param kind: the kind of decision.
    """
    waiting: list[tuple[float, str, ObjectVersion]] = []
    seen: set[str] = set()
    for entry in ledger.journal(kind):
        while waiting and (entry.at + CLOCKS_DIFFER).timestamp() < -waiting[0][0]:
            yield heapq.heappop(waiting)[2]
        if entry.identity.subject in seen:
            continue
        if len(seen) == MOST_READ:
            yield None
            return
        seen.add(entry.identity.subject)
        if record := ledger.find(ObjectRecord, entry.identity):
            version = record.about
            heapq.heappush(waiting, (-version.landed_at.timestamp(), version.digest, version))
    while waiting:
        yield heapq.heappop(waiting)[2]
    if not seen:
        yield None
