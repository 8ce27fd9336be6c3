"""What the store keeps on disk: one payload file per object version and an append-only journal. Knows no S3.

    DATA/lock            held while a store runs on DATA
    DATA/journal         JSON lines; the first names the format, the deployment and the highest sequencer
    DATA/payloads/ab/…   the bytes of one object version, named by its uid

A payload is complete before the line that names it is appended, and is removed only after the line that
drops it: whatever the process is doing when it is killed, a restart finds every acknowledged version and
nothing half-written (a torn last line is ignored, an unnamed payload deleted). There is no fsync: safe
against a killed process, not against a power failure.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from iris_core.errors import StackError

log = logging.getLogger(__name__)

FORMAT = 1
KeyId = tuple[str, str]
Version = dict[str, Any]


@dataclass(slots=True)
class State:
    """The content of a journal. `keys` maps (bucket, key) to versions by uid, oldest first."""

    deployment_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    sequencer: int = 0
    buckets: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[KeyId, dict[str, Version]] = field(default_factory=dict)

    def apply(self, record: dict[str, Any]) -> None:
        """Take in one journal line."""
        self.sequencer = max(self.sequencer, record.get("sequencer", 0))
        if "deployment" in record:
            self.deployment_id = record["deployment"]
        elif "key" in record:
            self._apply_versions((record["bucket"], record["key"]), record)
        elif record["config"] is None:
            self.buckets.pop(record["bucket"], None)
        else:
            self.buckets[record["bucket"]] = record["config"]

    def _apply_versions(self, key_id: KeyId, record: dict[str, Any]) -> None:
        versions = self.keys.setdefault(key_id, {})
        for uid in record["drop"]:
            versions.pop(uid, None)
        versions.update({version["uid"]: version for version in record["put"]})
        if not versions:
            del self.keys[key_id]

    def records(self) -> Iterator[dict[str, Any]]:
        """The shortest journal with this content."""
        yield {"format": FORMAT, "deployment": self.deployment_id, "sequencer": self.sequencer}
        for bucket, config in self.buckets.items():
            yield {"bucket": bucket, "config": config}
        for (bucket, key), versions in self.keys.items():
            yield {"bucket": bucket, "key": key, "put": list(versions.values()), "drop": []}


class Journal:
    """The files below one data directory. `open` reads and compacts them; one process at a time."""

    def __init__(self, root: Path) -> None:
        self._path = root / "journal"
        self._payloads = root / "payloads"
        self._append_lock = threading.Lock()
        self._fd = -1

    def open(self) -> State:
        """Read, compact, forget unnamed payloads. Raises StackError for a journal that cannot be read."""
        self._payloads.mkdir(parents=True, exist_ok=True)
        state = self._read()
        self._forget_lost(state, self._sizes())
        self._rewrite(state)
        self._remove_unnamed(state)
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        return state

    def close(self) -> None:
        """Further appends fail; without `open` before, nothing happens."""
        with self._append_lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1

    def append(self, record: dict[str, Any]) -> None:
        """Add one line, whole or not at all."""
        line = _line(record)
        with self._append_lock:
            end = os.fstat(self._fd).st_size
            if os.write(self._fd, line) != len(line):
                os.ftruncate(self._fd, end)
                raise StackError(f"{self._path}: cannot append {len(line)} bytes; is the disk full?")

    def payload_path(self, uid: str) -> Path:
        return self._payloads / uid[:2] / uid

    def write_payload(self, uid: str, source: BinaryIO) -> None:
        path = self.payload_path(uid)
        path.parent.mkdir(exist_ok=True)
        try:
            with path.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except OSError:
            path.unlink(missing_ok=True)
            raise

    def remove_payload(self, uid: str) -> None:
        self.payload_path(uid).unlink(missing_ok=True)

    def _read(self) -> State:
        state = State()
        if not self._path.exists():
            return state
        for number, line in _whole_lines(self._path):
            try:
                state.apply(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise StackError(
                    f"{self._path}, line {number}: not a journal record ({error}). Remove the directory "
                    "to start with an empty store, or restore it from a copy."
                ) from error
        return state

    def _sizes(self) -> dict[str, int]:
        return {
            entry.name: entry.stat().st_size
            for directory in os.scandir(self._payloads)
            for entry in os.scandir(directory.path)
        }

    def _forget_lost(self, state: State, sizes: dict[str, int]) -> None:
        """Drop versions whose payload is not whole. Only a power failure or a foreign hand causes this."""
        for (bucket, key), versions in list(state.keys.items()):
            lost = [uid for uid, version in versions.items() if version.get("size", 0) != sizes.get(uid, 0)]
            for uid in lost:
                log.error("embedded S3: %s/%s: payload %s missing or cut, version dropped", bucket, key, uid)
            if lost:
                state.apply({"bucket": bucket, "key": key, "put": [], "drop": lost})

    def _rewrite(self, state: State) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as target:
            target.writelines(_line(record) for record in state.records())
        fresh.replace(self._path)

    def _remove_unnamed(self, state: State) -> None:
        named = {uid for versions in state.keys.values() for uid in versions}
        for uid in self._sizes().keys() - named:
            self.remove_payload(uid)


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as source:
        for number, line in enumerate(source, start=1):
            if line.endswith(b"\n"):
                yield number, line
