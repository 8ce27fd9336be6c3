"""Data that travels between scoring's tasks: scorings that are owed, shards of them, and their results."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from iris_core.ledger import IdentityField, ModelRef
from iris_core.ledger.records.objects import FailedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.tries import Tried
from iris_core.scoring.counts import Counts
from iris_core.store.versions import ObjectVersion
from iris_core.tables import Range


class Work(BaseModel):
    """A scoring that is owed: one object version with one model version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    object: ObjectVersion
    identity: IdentityField
    model: ModelRef

    @property
    def inputs(self) -> ScoredRecord.Inputs:
        """The inputs for the ledger's record."""
        return ScoredRecord.Inputs(object=self.object, model=self.model)

    def tried(self, part: str) -> Tried:
        """A try at this scoring, or at a part of it."""
        return Tried(self.identity, FailedRecord.Inputs(object=self.object, model=self.model), part)


class Piece(BaseModel):
    """One of `count` parts of an object, in row order; with `count` 1 it is the whole object.

    `range` names bytes [start, end) of a plain CSV, cut at line ends.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    object: ObjectVersion
    identity: IdentityField
    index: int = 0
    count: int = 1
    range: Range | None = None


class Shard(BaseModel):
    """What one task scores: several small objects, or a part of a big one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelRef
    pieces: tuple[Piece, ...]

    def work(self, piece: Piece) -> Work:
        """The scoring that a piece is a part of."""
        return Work(object=piece.object, identity=piece.identity, model=self.model)


class Scored(BaseModel):
    """The result of one piece. `part` is None where another run has already decided about the object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    work: Work
    piece: Piece
    part: ObjectVersion | None
    rejects: ObjectVersion | None = None
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
