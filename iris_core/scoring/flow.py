"""From landed inference data to scored parts: finds owed scorings, cuts them into shards, scores those."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from iris_core import models
from iris_core.errors import DataRejected, GivenUp, NothingOwed, ObjectMissing, TryFailed
from iris_core.ledger import ModelRef
from iris_core.ledger.owed import Source
from iris_core.ledger.portion import MOST, Portion
from iris_core.ledger.reconcile import Scope, reconcile
from iris_core.ledger.records.objects import FailedRecord, RejectedRecord
from iris_core.ledger.tries import one_try
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.models.loading import Loaded, loaded
from iris_core.scoring import places
from iris_core.scoring.decide import Decider
from iris_core.scoring.engine import Written, score_table
from iris_core.scoring.output import Options, Sink
from iris_core.scoring.publication import reject_if_unusable
from iris_core.scoring.refusal import record_rejection, withdraw
from iris_core.scoring.shards import Cut, cut
from iris_core.scoring.work import Piece, Scored, Shard, Whole, Work
from iris_core.store.objects import ObjectVersion, ObjectWriter
from iris_core.tables import StoredInput

log = logging.getLogger(__name__)


def inference_source(workspace: Workspace) -> Source:
    """The bucket and key (or prefix) where inference data lands."""
    return Source(workspace.settings.bucket, workspace.settings.test_key)


def plan(workspace: Workspace) -> list[Work]:
    """Scorings that are owed with the model that is staged now; objects that need no work are recorded first.

    :raises NothingOwed: no model is staged, or every landed version has its record.
    """
    model = models.staged(workspace.settings)
    name = workspace.settings.names.model
    if model is None:
        raise NothingOwed(f"No version of {name} has the alias {models.ALIAS} yet: nothing to score with.")
    tracking.settle_left_runs(workspace, workspace.settings.names.inference_experiment)
    scorings = Scope("scoring", inference_source(workspace), model)
    found = reconcile(workspace, scorings, workspace.settings.rescore)
    for item in found.superseded:
        withdraw(workspace, Work(object=item.object, identity=item.identity, model=model))
    if not found.owed:
        where = f"s3://{workspace.settings.bucket}/{workspace.settings.test_key}"
        raise NothingOwed(f"Everything at {where} has its record with {name} version {model.version}.")
    return [Work(object=item.object, identity=item.identity, model=model) for item in found.owed]


def plan_shards(workspace: Workspace, most: int = MOST) -> Portion[Shard]:
    """Owed scorings, oldest first, cut into shards. One task scores one shard.

    :param most: the most shards; objects that would need more are left for the next run.
    :raises NothingOwed: as `plan`.
    """
    works = plan(workspace)
    settings = workspace.settings
    how = Cut(settings.predictions_format == "csv", settings.shard_mb, most)
    return cut(works, workspace.store, works[0].model, how)


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
            decider = decider_of(workspace, model)
            for piece in open_pieces:
                try:
                    done.append(_score(workspace, shard.work(piece), piece, model, decider))
                except (DataRejected, ObjectMissing, TryFailed) as error:
                    log.warning("%s", error)
                    trouble.append(error)
    if trouble and not done:
        raise trouble[0]
    return done


def decider_of(workspace: Workspace, model: Loaded) -> Decider:
    """A decider that applies the model to the project's table."""
    settings = workspace.settings
    return Decider(model.estimator, settings.project.table.feature_names, settings.prediction_probabilities)


def options_of(workspace: Workspace, model: ModelRef) -> Options:
    """The options by which this deployment writes predictions."""
    settings = workspace.settings
    return Options(
        str(model.version),
        settings.prediction_probabilities,
        settings.predictions_format,
        settings.csv_safe,
    )


def _score(workspace: Workspace, work: Work, piece: Piece, model: Loaded, decider: Decider) -> Scored:
    try:
        with one_try(workspace, work.tried(str(piece.index))):
            return _score_once(workspace, work, piece, model, decider)
    except GivenUp:
        withdraw(workspace, work, only_parts=True)
        raise


def _score_once(workspace: Workspace, work: Work, piece: Piece, model: Loaded, decider: Decider) -> Scored:
    began = time.monotonic()
    try:
        written, part, rejects = _write(workspace, work, piece, decider)
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
        model_digest=model.digest,
        seconds=round(time.monotonic() - began, 3),
    )
    if piece.count == 1:
        reject_if_unusable(workspace, Whole(work, (scored,)))
    return scored


def _write(
    workspace: Workspace, work: Work, piece: Piece, decider: Decider
) -> tuple[Written, ObjectVersion, ObjectVersion | None]:
    settings, store = workspace.settings, workspace.store
    bucket, key = settings.predictions_bucket, places.part(workspace, piece)
    options = options_of(workspace, work.model)
    given = StoredInput(store, work.object, settings.max_unpack_ratio)
    content_type = places.CONTENT_TYPES[options.format]
    rejects_key = places.part_rejects(workspace, piece)
    with _lazily(workspace, bucket, rejects_key) as rejects, store.writing(bucket, key, content_type) as out:
        written = score_table(given, decider, settings.project.table, options, out, rejects, piece.range)
    part = store.head(bucket, key)
    return written, part, store.head(bucket, rejects_key) if written.counts.rejected else None


class _Lazy:
    """A sink that begins its object with the first piece."""

    def __init__(self, workspace: Workspace, bucket: str, key: str) -> None:
        self._begin = workspace.store.writing(bucket, key, "text/csv")
        self._writer: ObjectWriter | None = None

    def write(self, data: bytes | memoryview, /) -> None:
        if self._writer is None:
            self._writer = self._begin.__enter__()
        self._writer.write(data)

    def end(self) -> None:
        """Make the object visible, if it was begun."""
        if self._writer is not None:
            self._begin.__exit__(None, None, None)


@contextmanager
def _lazily(workspace: Workspace, bucket: str, key: str) -> Iterator[Sink]:
    sink = _Lazy(workspace, bucket, key)
    yield sink
    sink.end()
