"""The store's files: one for each object version, and a sqlite database that names them. Knows nothing of S3.

    DATA/lock            held while a store runs on DATA
    DATA/catalog.db      buckets, and versions with their records
    DATA/payloads/ab/…   the bytes of one object version, named by its uid

A payload is complete before the row that names it is committed, and is removed only after the row is deleted.
So after a kill at any moment a restart finds every acknowledged version, and none that is half-written. There
is no fsync: the data survives a killed process, but not a power failure.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from iris_core.errors import StackError

log = logging.getLogger(__name__)

Row = tuple[str, str, str, dict[str, Any]]
"""Uid, bucket, key and record of a version; the record's `size` is that of the payload."""

_SCHEMA = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=OFF;
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, config TEXT);
CREATE TABLE IF NOT EXISTS versions (uid TEXT PRIMARY KEY, bucket TEXT, key TEXT, record TEXT);
"""


class Disk:
    """One data directory. Opening it removes payloads without a row, and rows without their payload.

    :raises StackError: an earlier version wrote the directory, or it is damaged.
    """

    def __init__(self, root: Path) -> None:
        self._payloads = root / "payloads"
        self._condemned: deque[str] = deque()
        self._payloads.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(root / "catalog.db", check_same_thread=False)
        try:
            if (root / "journal").exists():
                raise sqlite3.DatabaseError("its journal is an earlier version's")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise StackError(
                f"{root}: {error}. Remove the directory to start with an empty store."
            ) from error
        self._tidy()

    def buckets(self) -> dict[str, dict[str, Any]]:
        """Each bucket's configuration."""
        rows = self._db.execute("SELECT name, config FROM buckets")
        return {name: json.loads(config) for name, config in rows}

    def versions(self) -> Iterator[Row]:
        """All versions; those of a key in the order in which they were written."""
        for *names, record in self._db.execute("SELECT * FROM versions ORDER BY rowid"):
            yield *names, json.loads(record)

    def save_bucket(self, name: str, config: Mapping[str, Any] | None) -> None:
        """Save a bucket's configuration; None deletes the bucket."""
        with self._db as db:
            if config is None:
                db.execute("DELETE FROM buckets WHERE name = ?", [name])
            else:
                db.execute("REPLACE INTO buckets VALUES (?, ?)", [name, json.dumps(config)])

    def save_versions(self, changed: Sequence[Row], gone: Sequence[str]) -> None:
        """Save and delete versions in one transaction; then remove the payloads that are no longer used.

        :param changed: new and changed versions.
        :param gone: uids of deleted versions.
        """
        with self._db as db:
            db.executemany(
                "INSERT INTO versions VALUES (?, ?, ?, ?)"
                " ON CONFLICT (uid) DO UPDATE SET record = excluded.record",
                [(*names, json.dumps(record)) for *names, record in changed],
            )
            db.executemany("DELETE FROM versions WHERE uid = ?", [[uid] for uid in gone])
        while self._condemned:
            self.path(self._condemned.popleft()).unlink(missing_ok=True)

    def path(self, uid: str) -> Path:
        """The file of a version's payload."""
        return self._payloads / uid[:2] / uid

    def write(self, uid: str, data: bytes) -> None:
        """Write a payload."""
        path = self.path(uid)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    def join(self, uid: str, parts: Sequence[str]) -> int:
        """Write a payload that joins other payloads; return its size in bytes."""
        path = self.path(uid)
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as target:
            for part in parts:
                with self.path(part).open("rb") as source:
                    shutil.copyfileobj(source, target, 1 << 20)
            return target.tell()

    def condemn(self, uid: str) -> None:
        """Let the next `save_versions` remove a payload, once no row names it."""
        self._condemned.append(uid)

    def _tidy(self) -> None:
        sizes = {
            file.name: file.stat().st_size
            for folder in os.scandir(self._payloads)
            for file in os.scandir(folder.path)
        }
        lost = []
        for uid, bucket, key, record in self.versions():
            if record["size"] != sizes.pop(uid, 0):
                log.error("embedded S3: %s/%s: payload %s missing or cut, version dropped", bucket, key, uid)
                lost.append(uid)
        self._condemned.extend([*sizes, *lost])
        self.save_versions([], lost)
