"""A scoring on its way through the tasks: the work that is owed, its pieces and parts, and what is written.

Of an object that cannot be scored only its rejection and its rejected rows are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from iris_core.errors import DataRejected, ObjectMissing
from iris_core.ledger import Committed, IdentityField, ModelRef
from iris_core.ledger.records.base import Payload
from iris_core.ledger.records.objects import FailedRecord, RejectedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.tries import Tried
from iris_core.ledger.workspace import Workspace
from iris_core.scoring.counts import Counts
from iris_core.scoring.engine import HEADER
from iris_core.settings.places import MANIFESTS, REJECTS, WORK
from iris_core.settings.variables import Settings
from iris_core.store.assembly import RECORD, Assembly, WrittenPart, abandon
from iris_core.store.versions import ObjectVersion
from iris_core.tables import Range
from iris_core.tables.cutting import Cutting

CONTENT_TYPES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}


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

    def tried(self, part: str) -> Tried:
        """A try at this scoring, or at a part of it."""
        return Tried(self.identity, FailedRecord.Inputs(object=self.object, model=self.model), part)


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


@dataclass(frozen=True)
class Keys:
    """Keys of what a scoring writes; every attempt writes the same ones.

    :param bucket: the bucket of all of them.
    :param parts: prefix of its unfinished parts.
    :param predictions: the published predictions; the key begins with the time at which the input landed.
    :param rejects: the rejected rows.
    :param manifest: the manifest.
    """

    bucket: str
    parts: str
    predictions: str
    rejects: str
    manifest: str


def assembly_of(workspace: Workspace, work: Work, count: int) -> Assembly:
    """A scoring's predictions in the making, of `count` parts."""
    keys = keys_of(workspace.settings, work)
    content_type = CONTENT_TYPES[workspace.settings.predictions_format]
    return Assembly(workspace.store, keys.bucket, keys.predictions, content_type, keys.parts, count)


def keys_of(settings: Settings, work: Work) -> Keys:
    """The keys under which this deployment writes a scoring."""
    section = settings.names.section
    return Keys(
        bucket=settings.predictions_bucket,
        parts=f"{WORK}{section}/{work.identity}",
        predictions=f"{settings.predictions_prefix}/{work.name}.{settings.predictions_format}",
        rejects=f"{REJECTS}{section}/{work.name}.csv",
        manifest=_manifest_key(settings, work.identity.path),
    )


def manifest_uri(settings: Settings, scoring: str) -> str:
    """The address of a scoring's manifest.

    :param settings: of the deployment.
    :param scoring: the path of the scoring's record.
    """
    return f"s3://{settings.predictions_bucket}/{_manifest_key(settings, scoring)}"


def _manifest_key(settings: Settings, scoring: str) -> str:
    return f"{MANIFESTS}{settings.names.section}/{scoring}.json"


def reject_if_unusable(workspace: Workspace, whole: Whole) -> None:
    """Reject an object that has no rows, or too many rejected rows, and record the rejection.

    :raises DataRejected: the object is rejected.
    """
    try:
        whole.counts.require_usable(whole.work.object.uri, workspace.settings.max_reject_share)
    except DataRejected as error:
        record_rejection(workspace, whole.work, error, whole.parts)
        raise


def record_rejection(
    workspace: Workspace, work: Work, error: DataRejected, parts: Sequence[Scored] = ()
) -> Committed:
    """Record that an object cannot be scored; keep its rejected rows and delete its parts.

    :param work: the scoring that is rejected.
    :param error: the reason, and the evidence for the record.
    :param parts: the scored parts whose rejected rows are kept.
    """
    kept = gather_rejects(workspace, work, parts)
    record = RejectedRecord(
        identity=work.identity,
        by=workspace.actor,
        reason=str(error),
        inputs=RejectedRecord.Inputs(object=work.object, model=work.model),
        outputs=RejectedRecord.Outputs(rejects=kept) if kept else RejectedRecord.Outputs(),
        evidence=Payload(**error.evidence),
    )
    committed = workspace.ledger.commit(record)
    withdraw(workspace, work, only_parts=True)
    return committed


def withdraw(workspace: Workspace, work: Work, only_parts: bool = False) -> None:
    """Delete what a decided scoring has written.

    :param work: the scoring.
    :param only_parts: delete the parts alone, not predictions, rejected rows and manifest.
    """
    bucket, store = workspace.settings.predictions_bucket, workspace.store
    keys = keys_of(workspace.settings, work)
    for key in list(store.keys(bucket, keys.parts)):
        if key.endswith(RECORD):
            abandon(store, bucket, keys.predictions, key)
        else:
            store.erase(bucket, key)
    if only_parts:
        return
    for key in (keys.predictions, keys.rejects, keys.manifest):
        with suppress(ObjectMissing):
            store.head(bucket, key)
            store.delete(bucket, key)


def gather_rejects(workspace: Workspace, work: Work, parts: Sequence[Scored]) -> ObjectVersion | None:
    """Write the rejected rows of all parts into one object; None where there are none.

    :param work: the scoring that the parts belong to.
    :param parts: in row order.
    """
    found = [part.rejects for part in parts if part.rejects]
    if not found:
        return None
    bucket, key = workspace.settings.predictions_bucket, keys_of(workspace.settings, work).rejects
    return workspace.store.put_stream(bucket, key, _below_one_header(workspace, found), "text/csv")


def _below_one_header(workspace: Workspace, found: Sequence[ObjectVersion]) -> Iterator[bytes]:
    yield HEADER
    for version in found:
        step = 8 << 20
        for start in range(len(HEADER), version.size, step):
            yield workspace.store.read(version, start, min(start + step, version.size))
