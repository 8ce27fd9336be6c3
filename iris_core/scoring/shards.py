"""Finds owed scorings and cuts them into shards.

Small objects share a shard, a big object is cut by its size alone: each shard finds its rows itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iris_core import models
from iris_core.errors import DataRejected, NothingOwed, ObjectMissing
from iris_core.ledger import ModelRef
from iris_core.ledger.look import EVERYTHING, Look
from iris_core.ledger.portion import MOST, Portion
from iris_core.ledger.reconcile import Scope, reconcile
from iris_core.ledger.source import Source
from iris_core.ledger.tries import is_unforeseen
from iris_core.ledger.workspace import Workspace
from iris_core.models import mlflow_runs
from iris_core.scoring.results import withdraw
from iris_core.scoring.work import Piece, Shard, Work
from iris_core.store.objects import ObjectStore
from iris_core.tables import StoredInput
from iris_core.tables.blocks import BLOCK_BYTES
from iris_core.tables.cutting import Cutting, cutting

MIB = 1 << 20
UNIT = BLOCK_BYTES
"""A big object is cut at multiples of it."""
MOST_SHARDS = 200
"""Most shards of one object."""
PACK_BYTES = 64 << 20
PACK_OBJECTS = 250


def inference_source(workspace: Workspace) -> Source:
    """The bucket and key (or prefix) where inference data lands."""
    return Source(workspace.settings.bucket, workspace.settings.test_key)


def plan(workspace: Workspace, look: Look = EVERYTHING) -> list[Work]:
    """Scorings that are owed with the model that is staged now; objects that need no work are recorded first.

    :param look: the objects to look at.
    :raises NothingOwed: no model is staged, or every landed version has its record.
    """
    model = models.staged(workspace.settings)
    name = workspace.settings.names.model
    if model is None:
        raise NothingOwed(f"No version of {name} has the alias {models.ALIAS} yet: nothing to score with.")
    scorings = Scope("scoring", inference_source(workspace), model)
    with mlflow_runs.runs_settled(workspace, workspace.settings.names.inference_experiment):
        found = reconcile(workspace, scorings, workspace.settings.rescore, look)
    for item in found.superseded:
        withdraw(workspace, Work(object=item.object, identity=item.identity, model=model))
    if not found.owed:
        where = f"s3://{workspace.settings.bucket}/{workspace.settings.test_key}"
        raise NothingOwed(f"Everything at {where} has its record with {name} version {model.version}.")
    return [Work(object=item.object, identity=item.identity, model=model) for item in found.owed]


def plan_shards(workspace: Workspace, most: int = MOST, look: Look = EVERYTHING) -> Portion[Shard]:
    """Owed scorings, oldest first, cut into shards. One task scores one shard.

    :param most: the most shards; objects that would need more are left for the next run.
    :param look: the objects to look at.
    :raises NothingOwed: as `plan`.
    """
    works = plan(workspace, look)
    settings = workspace.settings
    how = Cut(settings.predictions_format == "csv", settings.shard_mb, most)
    taken = cut(works, workspace.store, works[0].model, how)
    names = [work.object.uri for work in works[len(works) - taken.left :]]
    return Portion(taken, taken.left, names)


@dataclass(frozen=True)
class Cut:
    """How scorings are cut into shards.

    :param is_splittable: whether parts of the output can be joined (true of CSV, not of Parquet).
    :param shard_mb: MiB; a larger object is cut into shards of that size, in whole blocks of 2 MiB.
    :param most: the most shards in all; objects that would need more stay owed.
    """

    is_splittable: bool = True
    shard_mb: int = 256
    most: int = MOST

    def least(self, size: int) -> int:
        """Least bytes of a shard of an object of `size` bytes."""
        return max(self.shard_mb * MIB, size // min(MOST_SHARDS, self.most) + 1)

    def shards(self, work: Work) -> int:
        """Most shards that an object needs for itself; 0 for one that is packed together with others."""
        size = work.object.size
        return -(-size // self.least(size)) if self.is_splittable and size > self.shard_mb * MIB else 0


def cut(works: Sequence[Work], store: ObjectStore, model: ModelRef, how: Cut) -> Portion[Shard]:
    """Cut owed scorings into shards, in their order; never only a part of an object.

    :param works: the scorings.
    :param store: where their objects are read.
    :param model: the model version of all of them.
    :param how: sizes and the most shards.
    """
    packs: list[list[Piece]] = []
    shards: list[Shard] = []
    for number, work in enumerate(works):
        of_its_own = how.shards(work)
        is_new = of_its_own or not packs or not _has_room(packs[-1], work)
        if is_new and len(packs) + len(shards) + max(of_its_own, 1) > how.most:
            return _portion(model, packs, shards, len(works) - number)
        if of_its_own:
            least = how.least(work.object.size)
            shards += [Shard(model=model, pieces=(piece,)) for piece in pieces(work, store, least)]
            continue
        if is_new:
            packs.append([])
        packs[-1].append(Piece(object=work.object, identity=work.identity))
    return _portion(model, packs, shards, 0)


def _has_room(pack: Sequence[Piece], work: Work) -> bool:
    size = sum(piece.object.size for piece in pack)
    return size + work.object.size <= PACK_BYTES and len(pack) < PACK_OBJECTS


def _portion(
    model: ModelRef, packs: Sequence[Sequence[Piece]], shards: Sequence[Shard], left: int
) -> Portion[Shard]:
    return Portion([*(Shard(model=model, pieces=tuple(pack)) for pack in packs), *shards], left)


def pieces(work: Work, store: ObjectStore, least: int) -> list[Piece]:
    """Cut a big object into pieces; one piece where it cannot be cut (gzip, Parquet, no header).

    :param work: the scoring of the object.
    :param store: where the head of the object is read.
    :param least: least bytes of each piece except the last.
    """
    found = _cutting_or_none(work, store, least)
    if found is None or found.count == 1:
        return [Piece(object=work.object, identity=work.identity)]
    return [
        Piece(object=work.object, identity=work.identity, index=index, count=found.count, cutting=found)
        for index in range(found.count)
    ]


def _cutting_or_none(work: Work, store: ObjectStore, least: int) -> Cutting | None:
    """How an object is cut; None if it cannot be read. Its scoring then says why, without stopping others."""
    try:
        return cutting(StoredInput(store, work.object), least, UNIT)
    except (DataRejected, ObjectMissing):
        return None
    except BaseException as error:
        if not is_unforeseen(error):
            raise
        return None
