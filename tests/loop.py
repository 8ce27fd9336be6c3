"""The steps of the pipelines, one after the other, in one workspace."""

from __future__ import annotations

from typing import Any

from iris_core import promotion, scoring, training
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from tests.records import expect


def train(workspace: Workspace, data: bytes) -> TrainedRecord:
    """Upload a training table, train on it, and let the gate judge the model."""
    workspace.store.put(workspace.settings.bucket, workspace.settings.train_key, data, "text/csv")
    work = training.train(workspace, training.validate(workspace, training.reconcile_training(workspace)))
    promotion.register_step(workspace, work.identity)
    return expect(TrainedRecord, workspace.ledger.get(work.identity))


def score(workspace: Workspace, data: bytes) -> ScoredRecord:
    """Upload an inference table, and score what is owed."""
    workspace.store.put(workspace.settings.bucket, workspace.settings.test_key, data, "text/csv")
    score_owed(workspace)
    return next(workspace.ledger.recent_of(ScoredRecord))


def score_owed(workspace: Workspace) -> list[dict[str, Any]]:
    """Score all that is owed, each object as a whole, and publish it; return the summaries."""
    works = scoring.plan(workspace)
    return scoring.publish_all(workspace, [score_whole(workspace, work) for work in works])


def score_whole(workspace: Workspace, work: scoring.Work) -> scoring.Scored:
    """Score one object version as a whole."""
    piece = scoring.Piece(object=work.object, identity=work.identity)
    [scored] = scoring.score_shard(workspace, scoring.Shard(model=work.model, pieces=(piece,)))
    return scored
