"""What the pipelines write today has the shape that tests/fixtures/ledger holds, name by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from iris_core import monitoring, promotion, scoring, training
from iris_core.errors import DataRejected, IrisError
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import alerts, retraining
from tests.records import stored

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

NEWER = {
    "outputs.profile": "where a model's profile lies",
    "evidence.faults": "rejected rows by kind of fault",
    "evidence.unknown_labels": "labels that are no class",
    "evidence.chance": "drift's chance",
    "evidence.scores": "drift's scores that merge",
    "evidence.whole": "drift of whole rows",
    "evidence.surprise": "how a champion does on the new table",
    "evidence.spread": "what a model's batches differ by",
    "training.evidence.agreement": "the holdout's rows by label and answer",
    "evidence.anchor": "the best earlier version on the holdout",
    "evidence.no_surprise": "why a champion was not asked about the new table",
    "evidence.leaks": "columns that know the answer",
    "evidence.slide": "what was lost since the best earlier version",
    "evidence.costs": "the declared cost matrix",
    "evidence.seconds": "what the shards of a scoring took",
    "evidence.importance": "which features the answers rest on",
}
"""Names that were added since, of every kind or of the one that comes first, and what they hold."""
Shape = tuple[str, ...]


def shape(body: dict[str, Any]) -> Shape:
    """The names in their order; within inputs, outputs and evidence one level deeper."""
    deeper = [f"{part}.{name}" for part in ("inputs", "outputs", "evidence") for name in body[part]]
    return (*body, *deeper)


def shapes() -> dict[tuple[str, str], set[Shape]]:
    known = defaultdict(set)
    for _, body in stored():
        known[body["kind"], body["outcome"]].add(shape(body))
    return known


def test_every_record_has_the_shape_of_earlier_ones(
    mlflow_db: Path,
    make_workspace: Callable[..., Workspace],
    train_csv: bytes,
    iris_rows: tuple[list[str], list[str]],
    as_csv: Callable[[list[str]], bytes],
) -> None:
    workspace = make_workspace(RETRAIN_ON_DRIFT="true", DRIFT_VIOLATIONS="1", DRIFT_WINDOW="1")
    settings = workspace.settings

    def put(key: str, data: bytes) -> None:
        workspace.store.put(settings.bucket, key, data, "text/csv")

    def train() -> None:
        with suppress(IrisError):
            work = training.train(
                workspace, training.validate(workspace, training.reconcile_training(workspace))
            )
            promotion.register_step(workspace, work.identity)

    def score() -> None:
        with suppress(IrisError):
            done = [one for shard in scoring.plan_shards(workspace) for one in _scored(workspace, shard)]
            scoring.publish_all(workspace, done)
        with suppress(IrisError):
            for path in monitoring.unreported(workspace):
                monitoring.report(workspace, path)

    for data in (b"no,table\n1,2\n", train_csv, train_csv, as_csv(iris_rows[0][:110])):
        put(settings.train_key, data)
        train()
    with suppress(IrisError):
        promotion.rollback(workspace, 1, "it was better", datetime.now(UTC))
    header = "id,sepal_length,sepal_width,petal_length,petal_width"
    rows = [line.rsplit(",", 1)[0] for line in (*iris_rows[0], *iris_rows[1])]
    shifted = [f"f{n},{9 - n % 3 / 10},{row.split(',', 1)[1]}" for n, row in enumerate(rows)]
    for table in (b"no,table\n1,2\n", "\n".join([header, *shifted, ""]).encode()):
        put(settings.test_key, table)
        score()
    labels = [f"f{n},{('setosa', 'virginica')[n % 2]}" for n in range(len(rows))]
    for data in (
        b"nothing\n1\n",
        b"id,species\nnobody,setosa\n",
        "\n".join(["id,species", *labels]).encode(),
    ):
        put("iris/labels/a.csv", data)
        with suppress(IrisError):
            monitoring.join_labels(workspace)
    with suppress(IrisError):
        alerts.deliver_owed(workspace, {"webhook": lambda _: None})
    with suppress(IrisError):
        retraining.request(workspace)

    known, met = shapes(), set()
    for record in workspace.ledger.recent():
        body = record.model_dump(mode="json")
        met.add((record.kind, str(record.outcome)))
        found = tuple(name for name in shape(body) if not {name, f"{record.kind}.{name}"} & NEWER.keys())
        assert found in known[record.kind, str(record.outcome)] or record.outcome == "rejected", body
    assert {kind for kind, _ in met} == {"training", "promotion", "scoring", "performance", "drift", "action"}
    assert {outcome for kind, outcome in met if kind != "drift"} >= {
        "trained",
        "rejected",
        "unchanged",
        "promoted",
        "rolled back",
        "scored",
        "measured",
        "unmatched",
        "alerted",
        "requested",
    }


def _scored(workspace: Workspace, shard: scoring.Shard) -> list[scoring.Scored]:
    with suppress(DataRejected):
        return scoring.score_shard(workspace, shard)
    return []
