"""From a shard to scored parts: streams each object through the model, and records what cannot be scored.

A part stays unpublished until `publication` puts all parts of its object together. Of an object that cannot
be scored only its rejection and its rejected rows are kept.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import TYPE_CHECKING

from iris_core.errors import DataRejected, GivenUp, ObjectMissing, TryFailed
from iris_core.ledger import Committed, ModelRef
from iris_core.ledger.records.base import Payload
from iris_core.ledger.records.objects import FailedRecord, RejectedRecord
from iris_core.ledger.tries import one_try
from iris_core.ledger.workspace import Workspace
from iris_core.models.loading import loaded
from iris_core.scoring import places
from iris_core.scoring.decide import Decider
from iris_core.scoring.engine import HEADER, Written, score_table
from iris_core.scoring.output import Options, Scoring
from iris_core.scoring.work import Piece, Scored, Shard, Whole, Work
from iris_core.store.objects import ObjectVersion, ObjectWriter
from iris_core.tables import StoredInput

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

log = logging.getLogger(__name__)


def score(workspace: Workspace, work: Work) -> Scored:
    """Score one whole object version into a part that `publish` makes visible.

    :raises DataRejected: the table cannot be scored; the rejection is recorded first.
    """
    piece = Piece(object=work.object, identity=work.identity)
    [scored] = score_shard(workspace, Shard(model=work.model, pieces=(piece,)))
    return scored


def score_shard(workspace: Workspace, shard: Shard) -> list[Scored]:
    """Score a shard's pieces; an object that cannot be scored does not stop the others.

    :raises DataRejected: no piece can be scored, the first one because of its data; recorded first.
    :raises ObjectMissing: no piece can be scored, and the first one's object is gone.
    :raises TryFailed: no piece can be scored, the first one because of an unforeseen error.
    """
    open_pieces, done = [], []
    trouble: list[DataRejected | ObjectMissing | TryFailed] = []
    for piece in shard.pieces:
        standing = workspace.ledger.get(piece.identity)
        if standing is None:
            open_pieces.append(piece)
        elif isinstance(standing, RejectedRecord | FailedRecord):
            trouble.append(standing.as_error())
        else:
            done.append(Scored(work=shard.work(piece), piece=piece, part=None))
    if open_pieces:
        with loaded(workspace.settings, shard.model) as model:
            how = scoring_of(workspace, model.estimator, shard.model)
            for piece in open_pieces:
                try:
                    done.append(_score(workspace, shard.work(piece), piece, how, model.digest))
                except (DataRejected, ObjectMissing, TryFailed) as error:
                    log.warning("%s", error)
                    trouble.append(error)
    if trouble and not done:
        raise trouble[0]
    return done


def scoring_of(workspace: Workspace, estimator: ClassifierMixin, model: ModelRef) -> Scoring:
    """How this deployment scores the project's table.

    :param estimator: the loaded model.
    :param model: its version, which is written beside each prediction.
    :raises ConfigError: the model does not fit the project's table.
    """
    settings, table = workspace.settings, workspace.settings.project.table
    options = Options(
        str(model.version),
        settings.prediction_probabilities,
        settings.predictions_format,
        settings.csv_safe,
    )
    return Scoring(Decider(estimator, table.feature_names, options.probabilities), table, options)


def _score(workspace: Workspace, work: Work, piece: Piece, how: Scoring, model_digest: str) -> Scored:
    try:
        with one_try(workspace, work.tried(str(piece.index))):
            return _scored(workspace, work, piece, how, model_digest)
    except GivenUp:
        withdraw(workspace, work, only_parts=True)
        raise


def _scored(workspace: Workspace, work: Work, piece: Piece, how: Scoring, model_digest: str) -> Scored:
    began = time.monotonic()
    try:
        written, part, rejects = _write(workspace, work, piece, how)
    except DataRejected as error:
        record_rejection(workspace, work, error)
        raise
    scored = Scored(
        work=work,
        piece=piece,
        part=part,
        rejects=rejects,
        counts=written.counts,
        digest=written.digest,
        model_digest=model_digest,
        seconds=round(time.monotonic() - began, 3),
    )
    if piece.count == 1:
        reject_if_unusable(workspace, Whole(work, (scored,)))
    return scored


def _write(
    workspace: Workspace, work: Work, piece: Piece, how: Scoring
) -> tuple[Written, ObjectVersion, ObjectVersion | None]:
    settings, store = workspace.settings, workspace.store
    bucket, key = settings.predictions_bucket, places.part(workspace, piece)
    given = StoredInput(store, work.object, settings.max_unpack_ratio)
    rejects_key = places.part_rejects(workspace, piece)
    with ExitStack() as stack:
        rejects = _Lazy(stack, store.writing(bucket, rejects_key, "text/csv"))
        part = stack.enter_context(store.writing(bucket, key, places.CONTENT_TYPES[how.options.format]))
        written = score_table(given, how, part, rejects, piece.range)
    return (
        written,
        store.head(bucket, key),
        store.head(bucket, rejects_key) if written.counts.rejected else None,
    )


class _Lazy:
    """A sink that begins its object with the first piece. The object is there once the stack is closed."""

    def __init__(self, stack: ExitStack, object: AbstractContextManager[ObjectWriter]) -> None:
        self._stack, self._object = stack, object
        self._writer: ObjectWriter | None = None

    def write(self, data: bytes | memoryview, /) -> None:
        if self._writer is None:
            self._writer = self._stack.enter_context(self._object)
        self._writer.write(data)


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
    rejects = gather_rejects(workspace, work, parts)
    record = RejectedRecord(
        identity=work.identity,
        by=workspace.actor,
        reason=str(error),
        inputs=RejectedRecord.Inputs.of(work.object, work.model),
        outputs=RejectedRecord.Outputs(rejects=rejects) if rejects else RejectedRecord.Outputs(),
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
    for key in list(store.keys(bucket, places.parts(workspace, work.identity))):
        store.erase(bucket, key)
    if only_parts:
        return
    for key in (
        places.predictions(workspace, work),
        places.rejects(workspace, work),
        places.manifest(workspace, work),
    ):
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
    bucket, key = workspace.settings.predictions_bucket, places.rejects(workspace, work)
    return workspace.store.put_stream(bucket, key, _below_one_header(workspace, found), "text/csv")


def _below_one_header(workspace: Workspace, found: Sequence[ObjectVersion]) -> Iterator[bytes]:
    yield HEADER
    for version in found:
        step = 8 << 20
        for start in range(len(HEADER), version.size, step):
            yield workspace.store.read(version, start, min(start + step, version.size))
