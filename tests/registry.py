"""What the tests of the gate, the registry and the rollback ask of them."""

from __future__ import annotations

from mlflow import MlflowClient

from iris_core import training
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking


def client(workspace: Workspace) -> MlflowClient:
    return tracking.client(workspace.settings)


def train_one(workspace: Workspace, data: bytes) -> TrainedRecord:
    """Upload that training table and train on it."""
    workspace.store.put(workspace.settings.bucket, workspace.settings.train_key, data, "text/csv")
    work = training.train(workspace, training.reconcile_training(workspace))
    record = workspace.ledger.find(TrainedRecord, work.identity)
    assert record is not None
    return record
