"""The journal: one empty object a decision, whose name says when, how and about what.

So the newest decisions are found by listing a day, and nothing is read. The entry is written before its
record: an attempt that died in between, or lost to another one, leaves one too, and only the record tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from iris_core.ledger.identity import Identity, Kind, Variant


@dataclass(frozen=True)
class JournalEntry:
    """A decision that was tried: when, with what outcome, about what."""

    at: datetime
    outcome: str
    identity: Identity

    @property
    def name(self) -> str:
        """Its key below the journal of its kind: `{day}/{time}~{outcome}~{day}~{subject}~{variant}`."""
        about = self.identity
        return "~".join((_stamp(self.at), self.outcome, str(about.day), about.subject, about.variant))

    @classmethod
    def parse(cls, kind: Kind, name: str) -> JournalEntry:
        """The entry of this name."""
        stamp, outcome, day, subject, variant = name.split("~")
        at = datetime.fromisoformat(stamp).replace(tzinfo=UTC)
        return cls(at, outcome, Identity(kind, date.fromisoformat(day), subject, Variant(variant)))


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d/%H%M%S.%f")
