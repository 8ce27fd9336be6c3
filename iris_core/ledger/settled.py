"""How far back a look at the journal must go: marks below which everything is done.

A mark is an empty object whose name holds an hour. It is derived: without it a look goes back further, finds
everything done, and sets it again.
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
    """The marks of one kind of work, such as the alerts on one channel."""

    store: ObjectStore
    bucket: str
    folder: str

    @classmethod
    def of(cls, workspace: Workspace, work: str) -> Settled:
        """The marks of a kind of work in the workspace's ledger."""
        settings = workspace.settings
        return cls(workspace.store, settings.bucket, f"{LEDGER}{settings.platform_env}/settled/{work}")

    def until(self, now: datetime) -> datetime | None:
        """What was recorded before this hour is done; None when nothing is known.

        :param now: later marks do not count: a host whose clock was ahead has set them.
        """
        for day in reversed(self.store.folders(self.bucket, self.folder)):
            keys = sorted(self.store.keys(self.bucket, f"{self.folder}/{day}"), reverse=True)
            hours = (_hour(key.removeprefix(f"{self.folder}/")) for key in keys)
            if found := next((hour for hour in hours if hour <= now), None):
                return found
        return None

    def advance(self, moment: datetime) -> None:
        """Mark the hour of a moment, once."""
        key = f"{self.folder}/{moment.astimezone(UTC):{_HOUR}}"
        self.store.create(self.bucket, key, b"", "application/octet-stream")


def _hour(name: str) -> datetime:
    return datetime.strptime(name, _HOUR).replace(tzinfo=UTC)
