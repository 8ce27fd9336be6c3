"""Records that are read together again and again, kept in one object: one request instead of hundreds.

Records never change, so a packed one is as good as the ledger's. A pack only saves requests: it may be lost,
damaged or old. Then the records are read from the ledger, and packed again.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError

from iris_core.errors import ObjectMissing
from iris_core.ledger.identity import Identity
from iris_core.ledger.journal import JournalEntry
from iris_core.ledger.ledger import Ledger
from iris_core.ledger.records import parse
from iris_core.ledger.records.base import Record
from iris_core.ledger.workspace import Workspace
from iris_core.settings.places import LEDGER
from iris_core.store.objects import ObjectStore

MOST_APART = 20
"""So many records are read one by one before they are packed, too."""


@dataclass(frozen=True)
class Pack:
    """One pack: the object that holds it, and the ledger that its records are from."""

    store: ObjectStore
    ledger: Ledger
    bucket: str
    key: str

    @classmethod
    def of(cls, workspace: Workspace, name: str) -> Pack:
        """The pack of this name in the workspace's ledger."""
        settings = workspace.settings
        key = f"{LEDGER}{settings.names.section}/packs/{name}.json.gz"
        return cls(workspace.store, workspace.ledger, settings.bucket, key)

    def records(self, entries: Iterable[JournalEntry]) -> list[Record]:
        """The records that these entries stand for, in their order; packs them if many were read apart."""
        packed, apart, found = self._packed(), 0, []
        for entry in entries:
            record = packed.get(entry.identity)
            if record is None:
                record, apart = self.ledger.get(entry.identity), apart + 1
            if record and record.at == entry.at:
                found.append(record)
        if apart > MOST_APART:
            self._keep(found)
        return found

    def _packed(self) -> dict[Identity, Record]:
        try:
            lines = gzip.decompress(self.store.get(self.bucket, self.key)).splitlines()
            records = [parse(line) for line in lines]
        except (ObjectMissing, OSError, EOFError, zlib.error, ValidationError):
            return {}
        return {record.identity: record for record in records}

    def _keep(self, records: Iterable[Record]) -> None:
        lines = (json.dumps(record.model_dump(mode="json")) for record in records)
        body = gzip.compress("\n".join(lines).encode(), compresslevel=1, mtime=0)
        self.store.put(self.bucket, self.key, body, "application/gzip")
