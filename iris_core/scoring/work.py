"""What is owed, what one shard does of it, and what came out: what travels between tasks."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from iris_core.ledger import IdentityField, ModelRef
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.scoring.quality import UnknownLabels
from iris_core.scoring.rejects import Fault
from iris_core.store.objects import ObjectVersion
from iris_core.tables import Range


class Work(BaseModel):
    """A scoring that is owed: one object version with one model version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    object: ObjectVersion
    identity: IdentityField
    model: ModelRef

    @property
    def inputs(self) -> ScoredRecord.Inputs:
        """The inputs as the ledger's record holds them."""
        return ScoredRecord.Inputs(object=self.object, model=self.model)


class Piece(BaseModel):
    """One of `count` parts of an object, in row order; the whole where there is only one.

    `range` is bytes [start, end) of a plain CSV, cut at line ends.
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
    """What came out of one piece; `agreement` counts pairs (label, prediction) where there are labels.

    `rows` were scored, `rejected` were not. `part` is None where another run has decided already.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    work: Work
    piece: Piece
    part: ObjectVersion | None
    rejects: ObjectVersion | None = None
    rows: int = 0
    rejected: int = 0
    classes: dict[str, int] = {}
    agreement: dict[str, dict[str, int]] = {}
    unknown_labels: UnknownLabels = UnknownLabels()
    faults: tuple[Fault, ...] = ()
    digest: str = ""
    model_digest: str = ""
    seconds: float = 0.0
