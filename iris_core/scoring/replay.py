"""Repeats a scoring from its manifest, and explains a difference between the bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from iris_core.errors import IrisError, ModelRefused, ObjectMissing, RegistryError
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models.decide import Decider
from iris_core.models.loading import Loaded, loaded
from iris_core.scoring.engine import score_table
from iris_core.scoring.output import Nowhere, Options, Scoring
from iris_core.scoring.results import libraries
from iris_core.scoring.work import Manifest
from iris_core.store.objects import ObjectStore, ObjectVersion
from iris_core.tables import StoredInput

STEP = 8 << 20
LONGEST_LINE = 200


@dataclass(frozen=True)
class Replay:
    """Whether a repeated scoring has the same bytes, and if not, what may explain it."""

    scoring: str
    same: bool
    rows: int
    reasons: tuple[str, ...]


class Comparing:
    """A sink that compares the bytes it receives with an object, without storing either."""

    def __init__(self, store: ObjectStore, version: ObjectVersion) -> None:
        self._store, self._version = store, version
        self._place = 0
        self.differs_at: int | None = None
        self.lines: tuple[str, str] | None = None

    def write(self, data: bytes | memoryview, /) -> None:
        """Compare the next piece."""
        size = self._version.size
        given = memoryview(data)
        if self.differs_at is None:
            for start in range(0, len(given), STEP):
                piece = bytes(given[start : start + STEP])
                stored = self._read(min(self._place + len(piece), size))
                if stored != piece:
                    self._note(stored, piece)
                    return
                self._place += len(piece)

    def _read(self, end: int) -> bytes:
        return self._store.read(self._version, self._place, end) if end > self._place else b""

    def _note(self, stored: bytes, piece: bytes) -> None:
        """Note the first place at which the bytes differ, and the two lines there."""
        length = min(len(stored), len(piece))
        apart = np.flatnonzero(
            np.frombuffer(stored, np.uint8, length) != np.frombuffer(piece, np.uint8, length)
        )
        at = int(apart[0]) if apart.size else length
        self.differs_at = self._place + at
        self.lines = _line_at(stored, at), _line_at(piece, at)

    def end(self) -> None:
        """Check that the object ends here, too."""
        if self.differs_at is None and self._place != self._version.size:
            self.differs_at = self._place


def _line_at(data: bytes, place: int) -> str:
    start, end = data.rfind(b"\n", 0, place) + 1, data.find(b"\n", place)
    return data[start : end if end >= 0 else len(data)][:LONGEST_LINE].decode(errors="replace").strip()


def manifest_of(workspace: Workspace, scoring: str) -> Manifest:
    """The manifest of a scoring.

    :raises IrisError: there is no such scoring, or it was made before manifests were kept.
    """
    record = workspace.ledger.find(ScoredRecord, scoring)
    if record is None:
        raise IrisError(f"{scoring} is not the record of a scoring. iris ledger --kind scoring lists them.")
    version = record.outputs.manifest
    if version is None:
        raise IrisError(f"{scoring} has no manifest: it was made by an earlier version of Iris.")
    try:
        return Manifest.model_validate_json(workspace.store.read(version))
    except ObjectMissing:
        # In a bucket without versions a second attempt may have overwritten it, for the same scoring.
        return Manifest.model_validate_json(workspace.store.get(version.bucket, version.key))


def replay(workspace: Workspace, scoring: str) -> Replay:
    """Repeat a scoring from its manifest and compare the result with the published predictions byte by byte.

    :raises IrisError: there is no such scoring.
    """
    manifest = manifest_of(workspace, scoring)
    try:
        with loaded(workspace.settings, workspace.ledger, manifest.model) as model:
            changed = model.digest != manifest.model_sha256
            sink = Comparing(workspace.store, manifest.predictions)
            rows = _again(workspace, manifest, model, sink)
    except ObjectMissing as error:
        return Replay(scoring, False, 0, (_gone(workspace, manifest, error),))
    except (RegistryError, ModelRefused) as error:
        return Replay(scoring, False, 0, (f"the model cannot be loaded: {error}",))
    if sink.differs_at is None:
        return Replay(scoring, True, rows, ())
    return Replay(scoring, False, rows, tuple(_reasons(workspace, manifest, changed, sink)))


def _again(workspace: Workspace, manifest: Manifest, model: Loaded, sink: Comparing) -> int:
    version, table = str(manifest.model.version), model.table(workspace.settings.project.table)
    options = Options(version, manifest.probabilities, manifest.format, manifest.csv_safe)
    how = Scoring(Decider(model.estimator, table.feature_names, manifest.probabilities), table, options)
    given = StoredInput(workspace.store, manifest.input)
    parts = [score_table(given, how, sink, Nowhere(), part.range) for part in manifest.shards]
    sink.end()
    return sum(part.counts.rows for part in parts)


def _gone(workspace: Workspace, manifest: Manifest, error: ObjectMissing) -> str:
    try:
        workspace.store.read(manifest.input, 0, min(1, manifest.input.size))
    except ObjectMissing:
        return f"the input is gone: {manifest.input.uri}"
    return f"the predictions are gone: {error}"


def _reasons(workspace: Workspace, manifest: Manifest, changed: bool, sink: Comparing) -> Iterator[str]:
    """What has changed since. None of it need be the cause, so the place of the difference is included."""
    if changed:
        yield f"the model changed: version {manifest.model.version} has other files than when it scored"
    for name, now in libraries().items():
        if (then := manifest.libraries.get(name)) != now:
            yield f"library changed: {name} was {then}, is {now}"
    if manifest.code_version != workspace.actor.code_version and workspace.actor.code_version:
        yield f"code changed: {manifest.code_version or 'unknown'} then, {workspace.actor.code_version} now"
    if _digest(workspace, manifest) != [part.sha256 for part in manifest.shards]:
        yield f"the predictions changed: {manifest.predictions.uri} is not what was written"
    yield f"the first difference is after byte {sink.differs_at} of the predictions"
    if sink.lines and manifest.format == "csv":
        yield f"there then: {sink.lines[0]}"
        yield f"there now:  {sink.lines[1]}"


def _digest(workspace: Workspace, manifest: Manifest) -> list[str]:
    """The SHA-256 of each part of the stored predictions."""
    found, start = [], 0
    for part in manifest.shards:
        digest = hashlib.sha256()
        for place in range(start, start + part.size, STEP):
            digest.update(
                workspace.store.read(manifest.predictions, place, min(place + STEP, start + part.size))
            )
        found.append(digest.hexdigest())
        start += part.size
    return found
