"""Marks that limit how far back a look at the journal must go: everything before a mark is done.

A mark is an empty object whose name holds an hour. It may be lost: then the next look goes back further,
finds everything done, and sets the mark again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from iris_core.ledger.workspace import Workspace
from iris_core.settings.places import LEDGER
from iris_core.store.objects import ObjectStore

_HOUR = "%Y-%m-%d/%H"


@dataclass(frozen=True)
class Settled:
    """Marks of one kind of work, such as the alerts on one channel."""

    store: ObjectStore
    bucket: str
    folder: str

    @classmethod
    def of(cls, workspace: Workspace, work: str) -> Settled:
        """Marks of a kind of work in the workspace's ledger."""
        settings = workspace.settings
        return cls(workspace.store, settings.bucket, f"{LEDGER}{settings.names.section}/settled/{work}")

    def until(self, now: datetime) -> datetime | None:
        """The newest marked hour: everything recorded before it is done. None without a mark.

        :param now: later marks are ignored: a host whose clock is ahead has set them.
        """
        for day in reversed(self.store.folders(self.bucket, self.folder)):
            keys = sorted(self.store.keys(self.bucket, f"{self.folder}/{day}"), reverse=True)
            hours = (_hour(key.removeprefix(f"{self.folder}/")) for key in keys)
            if found := next((hour for hour in hours if hour and hour <= now), None):
                return found
        return None

    def advance(self, moment: datetime) -> None:
        """Mark the hour of a moment, if it is not marked yet."""
        key = f"{self.folder}/{moment.astimezone(UTC):{_HOUR}}"
        self.store.create(self.bucket, key, b"", "application/octet-stream")


def _hour(name: str) -> datetime | None:
    """The hour that a name holds; None if it is no mark's."""
    try:
        return datetime.strptime(name, _HOUR).replace(tzinfo=UTC)
    except ValueError:
        return None
