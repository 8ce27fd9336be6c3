"""The cursor of a watcher of objects: which versions have been announced, in bounded size."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

from iris_provider_minio.versions import ObjectVersion

LATE_S = 3600.0
REMEMBERED = 5000
DIGITS = 16
"""Hex digits of a digest that are kept: 64 bits."""


@dataclass
class Announced:
    """The announced versions: all that landed before `floor`, and those in `known`.

    A version may become visible after newer ones: clocks of a cluster differ, a replica keeps its original's
    time. So `floor` stays behind the newest version by `LATE_S`, or by as many seconds as the `REMEMBERED`
    newest versions reach back.

    :param floor: epoch seconds.
    :param known: when each version landed (epoch seconds), by the beginning of its digest.
    """

    floor: float = 0.0
    known: dict[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, stored: Any) -> Announced | None:
        """Read a cursor that `dump` wrote; None for anything else."""
        try:
            known = {str(digest): float(landed) for digest, landed in stored["known"].items()}
            return cls(float(stored["floor"]), known)
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    def dump(self) -> dict[str, Any]:
        """The cursor as JSON-able content. What it leaves out is announced again after a restart."""
        newest = heapq.nlargest(REMEMBERED, self.known.items(), key=lambda item: item[1])
        return {"floor": self.floor, "known": dict(newest)}

    def is_new(self, version: ObjectVersion) -> bool:
        """Whether this version has not been announced."""
        landed = version.landed_at.timestamp()
        return landed >= self.floor and version.digest[:DIGITS] not in self.known

    def note(self, version: ObjectVersion) -> None:
        """Remember that this version has been announced."""
        self.known[version.digest[:DIGITS]] = version.landed_at.timestamp()

    def settle(self, reached: float) -> bool:
        """Forget single versions where all have been announced; returns whether it changed anything.

        :param reached: epoch seconds: a listing has shown that every version before has been announced.
        """
        newest = heapq.nlargest(REMEMBERED, self.known.values())
        oldest_kept = newest[-1] if len(newest) == REMEMBERED else 0.0
        floor = min(reached, max(reached - LATE_S, oldest_kept))
        if floor <= self.floor:
            return False
        self.floor = floor
        self.known = {digest: landed for digest, landed in self.known.items() if landed >= floor}
        return True
