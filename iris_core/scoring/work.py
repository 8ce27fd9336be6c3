"""A scoring on its way through the tasks: the work that is owed, its pieces and parts, and its manifest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from iris_core.ledger import IdentityField, ModelRef
from iris_core.ledger.records.objects import FailedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.scoring.counts import Counts
from iris_core.scoring.output import Format
from iris_core.store.assembly import WrittenPart
from iris_core.store.versions import ObjectVersion
from iris_core.tables import Range
from iris_core.tables.cutting import Cutting


class Work(BaseModel):
    """A scoring that is owed: one object version with one model version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    object: ObjectVersion
    identity: IdentityField
    model: ModelRef

    @property
    def name(self) -> str:
        """The time at which the input landed, the input's digest, the model."""
        moment = self.object.landed_at.astimezone(UTC)
        return f"{moment:%Y%m%dT%H%M%SZ}-{self.object.digest[:8]}-{self.identity.variant}"

    @property
    def inputs(self) -> ScoredRecord.Inputs:
        """The inputs for the ledger's record."""
        return ScoredRecord.Inputs(object=self.object, model=self.model)

    @property
    def failing(self) -> FailedRecord.Inputs:
        """The inputs for the record of a scoring that failed."""
        return FailedRecord.Inputs(object=self.object, model=self.model)


class Piece(BaseModel):
    """One of `count` parts of an object, in row order; with `count` 1 it is the whole object.

    `cutting` says how a plain CSV is cut. Which rows a part has is found when it is scored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    object: ObjectVersion
    identity: IdentityField
    index: int = 0
    count: int = 1
    cutting: Cutting | None = None


class Shard(BaseModel):
    """What one task scores: several small objects, or a part of a big one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelRef
    pieces: tuple[Piece, ...]

    @property
    def works(self) -> list[tuple[Work, Piece]]:
        """Each piece, with the scoring that it is a part of."""
        return [
            (Work(object=piece.object, identity=piece.identity, model=self.model), piece)
            for piece in self.pieces
        ]


class Scored(BaseModel):
    """The result of one piece. `part` is None where another run has already decided about the object.

    `range` holds the piece's rows; None for a whole object.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    work: Work
    piece: Piece
    part: WrittenPart | None
    rejects: ObjectVersion | None = None
    range: Range | None = None
    counts: Counts = Counts()
    digest: str = ""
    model_digest: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Whole:
    """All parts of one object, in row order."""

    work: Work
    parts: tuple[Scored, ...]

    @cached_property
    def counts(self) -> Counts:
        """The counts of all parts."""
        return sum((part.counts for part in self.parts), Counts())


class ShardEntry(BaseModel):
    """One part of the output: its input range (None: the whole), counts, and SHA-256 of its bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    range: Range | None
    rows: int
    rejected: int
    size: int
    sha256: str
    seconds: float


class Manifest(BaseModel):
    """Input, model, code, shards, counts and outputs of a scoring.

    `shards` are in row order; joined, their bytes are the predictions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scoring: IdentityField
    input: ObjectVersion
    input_digest: str
    model: ModelRef
    model_sha256: str
    code_version: str
    libraries: dict[str, str]
    probabilities: bool
    format: Format
    csv_safe: bool = False
    max_reject_share: float
    shards: tuple[ShardEntry, ...]
    rows: int
    rejected: int
    classes: dict[str, int]
    predictions: ObjectVersion
    rejects: ObjectVersion | None

    @property
    def content(self) -> bytes:
        """The manifest as it is stored."""
        return self.model_dump_json(indent=1).encode()


@dataclass(frozen=True)
class Ready:
    """An object whose outputs are all written except the MLflow run."""

    whole: Whole
    manifest: Manifest
    manifest_at: ObjectVersion

    @property
    def work(self) -> Work:
        return self.whole.work
