"""From a shard to scored parts: streams each object through the model, and records what cannot be scored.

A part stays unpublished until `publication` puts all parts of its object together.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack

from iris_core.errors import (
    DataRejected,
    DecidedElsewhere,
    GivenUp,
    IrisError,
    ObjectMissing,
    TryFailed,
    free_frames,
)
from iris_core.ledger import ModelRef
from iris_core.ledger.records.objects import FailedRecord, RejectedRecord
from iris_core.ledger.tries import Tried, one_try
from iris_core.ledger.workspace import Workspace
from iris_core.models.decide import Decider
from iris_core.models.loading import Loaded, loaded
from iris_core.scoring.engine import Written, first_fault, score_table
from iris_core.scoring.output import Options, Scoring
from iris_core.scoring.results import assembly_of, record_rejection, reject_if_unusable, withdraw
from iris_core.scoring.stretches import stretch_rows
from iris_core.scoring.work import Piece, Scored, Shard, Whole, Work
from iris_core.store.assembly import Assembly, WrittenPart
from iris_core.store.objects import ObjectVersion, ObjectWriter
from iris_core.tables import Range, StoredInput

log = logging.getLogger(__name__)


def score_shard(workspace: Workspace, shard: Shard) -> list[Scored]:
    """Score a shard's pieces; an object that cannot be scored does not stop the others.

    :raises DataRejected: no piece can be scored, the first one because of its data; recorded first.
    :raises ObjectMissing: no piece can be scored, and the first one's object is gone.
    :raises TryFailed: no piece can be scored, the first one because of an unforeseen error.
    :raises DecidedElsewhere: no piece can be scored, and another run has decided about the first one.
    """
    waiting, done = [], []
    trouble: list[IrisError] = []
    for work, piece in shard.works:
        standing = workspace.ledger.get(work.identity)
        if standing is None:
            waiting.append((work, piece))
        elif isinstance(standing, RejectedRecord | FailedRecord):
            trouble.append(standing.as_error())
        else:
            done.append(Scored(work=work, piece=piece, part=None))
    if waiting:
        with (
            loaded(workspace.settings, workspace.ledger, shard.model) as model,
            ThreadPoolExecutor(1) as beside,
        ):
            digest = beside.submit(model.digest_now)
            how = scoring_of(workspace, model, shard.model)
            for work, piece in waiting:
                try:
                    scored = _score(workspace, work, piece, how)
                    done.append(scored.model_copy(update={"model_digest": digest.result()}))
                except (DataRejected, DecidedElsewhere, ObjectMissing, TryFailed) as error:
                    log.warning("%s", error)
                    free_frames(error)
                    trouble.append(error)
    if trouble and not done:
        raise trouble[0]
    return done


def scoring_of(workspace: Workspace, model: Loaded, named: ModelRef) -> Scoring:
    """How this deployment scores the project's table.

    :param model: the loaded model.
    :param named: its version, which is written beside each prediction.
    :raises ConfigError: the model does not fit the project's table.
    """
    settings, table = workspace.settings, model.table(workspace.settings.project.table)
    options = Options(
        str(named.version),
        settings.prediction_probabilities,
        settings.predictions_format,
        settings.csv_safe,
    )
    return Scoring(Decider(model.estimator, table.feature_names, options.probabilities), table, options)


def _score(workspace: Workspace, work: Work, piece: Piece, how: Scoring) -> Scored:
    try:
        with one_try(workspace, Tried(work.identity, work.failing, str(piece.index))):
            return _scored(workspace, work, piece, how)
    except GivenUp:
        withdraw(workspace, work, only_parts=True)
        raise


def _scored(workspace: Workspace, work: Work, piece: Piece, how: Scoring) -> Scored:
    began, predictions = time.monotonic(), assembly_of(workspace, work, piece.count)
    given = StoredInput(workspace.store, work.object, workspace.settings.max_unpack_ratio)
    rows = stretch_rows(given, piece.cutting, piece.index, predictions) if piece.cutting else None
    try:
        written, part, rejects = _write(predictions, piece.index, given, how, rows)
    except DataRejected as error:
        told = first_fault(given, how, rows) or error if rows else error
        record_rejection(workspace, work, told)
        raise told from None
    scored = Scored(
        work=work,
        piece=piece,
        part=part,
        rejects=rejects,
        range=rows,
        counts=written.counts,
        digest=written.digest,
        seconds=round(time.monotonic() - began, 3),
    )
    if piece.count == 1:
        reject_if_unusable(workspace, Whole(work, (scored,)))
    return scored


def _write(
    predictions: Assembly, index: int, given: StoredInput, how: Scoring, rows: Range | None
) -> tuple[Written, WrittenPart, ObjectVersion | None]:
    """Write a part and its rejected rows; return both, with the counts.

    :param predictions: what it is a part of.
    :param index: its number.
    :param given: the object's bytes.
    :param how: the model and the output's format.
    :param rows: the part's rows; None for the whole object.
    """
    store, bucket, key = predictions.store, predictions.bucket, f"{predictions.head_key(index)}.rejects.csv"
    with ExitStack() as stack:
        rejects = _Lazy(stack, store.writing(bucket, key, "text/csv"))
        part = stack.enter_context(predictions.writing(index, given.size // predictions.count))
        written = score_table(given, how, part, rejects, rows)
    kept = store.head(bucket, key) if written.counts.rejected else None
    return written, part.written, kept


class _Lazy:
    """A sink that begins its object with the first piece. The object is there once the stack is closed."""

    def __init__(self, stack: ExitStack, object: AbstractContextManager[ObjectWriter]) -> None:
        self._stack, self._object = stack, object
        self._writer: ObjectWriter | None = None

    def write(self, data: bytes | memoryview, /) -> None:
        if self._writer is None:
            self._writer = self._stack.enter_context(self._object)
        self._writer.write(data)
