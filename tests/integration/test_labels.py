"""Labels that come later: embedded store, sqlite MLflow."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import polars as pl
import pytest

from iris_core import alerts, labels, monitoring, promotion, scoring, tracking, training, verdicts
from iris_core.errors import DataRejected, NothingOwed
from iris_core.labels import flow
from iris_core.ledger import Record
from iris_core.storage import ObjectVersion
from iris_core.workspace import Workspace

pytestmark = [pytest.mark.integration, pytest.mark.slow]

MakeWorkspace = Callable[..., Workspace]
LABELLED = "iris/labels/today.csv"
FEATURES = "sepal_length,sepal_width,petal_length,petal_width"


def put(workspace: Workspace, key: str, data: bytes) -> ObjectVersion:
    return workspace.store.put(workspace.settings.bucket, key, data, "text/csv")


def stage(workspace: Workspace, data: bytes) -> None:
    put(workspace, workspace.settings.train_key, data)
    work = training.train(workspace, training.validate(workspace, training.reconcile(workspace)))
    promotion.register_step(workspace, work.identity)


def score(workspace: Workspace, data: bytes, key: str = "") -> None:
    put(workspace, key or workspace.settings.test_key, data)
    scored = [
        one for shard in scoring.plan_shards(workspace) for one in scoring.score_shard(workspace, shard)
    ]
    scoring.publish_all(workspace, scored)


def records(workspace: Workspace, kind: Any = "performance") -> list[Record]:
    return list(workspace.ledger.recent(kind))


def numbered(lines: list[str], first: int = 0) -> tuple[bytes, list[tuple[str, str]]]:
    """An inference table without labels but with an id, and (id, label) of each row."""
    rows = [line.rsplit(",", 1) for line in lines]
    table = [f"f{first + n},{features}" for n, (features, _) in enumerate(rows)]
    pairs = [(f"f{first + n}", label) for n, (_, label) in enumerate(rows)]
    return "\n".join([f"id,{FEATURES}", *table, ""]).encode(), pairs


def told(pairs: list[tuple[str, str]]) -> bytes:
    return "\n".join(["id,species", *(f"{key},{label}" for key, label in pairs), ""]).encode()


@pytest.fixture
def staged(tracked: Workspace, train_csv: bytes) -> Workspace:
    stage(tracked, train_csv)
    return tracked


@pytest.fixture
def scored(
    staged: Workspace, iris_rows: tuple[list[str], list[str]]
) -> tuple[Workspace, list[tuple[str, str]]]:
    data, pairs = numbered(iris_rows[1])
    score(staged, data)
    return staged, pairs


def test_joined(scored: tuple[Workspace, list[tuple[str, str]]]) -> None:
    workspace, pairs = scored
    put(workspace, LABELLED, told(pairs))
    [verdict] = labels.join(workspace)
    print(verdict)
    print(records(workspace)[0].model_dump_json(indent=1))
    print(records(workspace, "drift")[0].model_dump_json(indent=1))
