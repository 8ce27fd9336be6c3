"""The journal: one empty object for each decision; its name holds time, outcome and identity.

So listing a day finds the newest decisions without reading an object. The entry is written before its record:
an attempt that dies in between, or that loses to another one, leaves an entry, too. Only the record shows
what was decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from iris_core.ledger.identity import Identity, Kind, Variant


@dataclass(frozen=True)
class JournalEntry:
    """A decision that an attempt was about to commit: time, outcome and identity."""

    at: datetime
    outcome: str
    identity: Identity

    @property
    def name(self) -> str:
        """The entry's key below its kind's journal: `{day}/{time}~{outcome}~{day}~{subject}~{variant}`."""
        about = self.identity
        return "~".join((_stamp(self.at), self.outcome, str(about.day), about.subject, about.variant))

    @classmethod
    def parse(cls, kind: Kind, name: str) -> JournalEntry:
        """The entry with this name, in the journal of this kind."""
        stamp, outcome, day, subject, variant = name.split("~")
        at = datetime.fromisoformat(stamp).replace(tzinfo=UTC)
        return cls(at, outcome, Identity(kind, date.fromisoformat(day), subject, Variant(variant)))


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d/%H%M%S.%f")
