"""Columns and classes of any name go through the whole loop: MLflow, matplotlib and Evidently refuse some."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from iris_core import monitoring, promotion, scoring, training
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.ledger.workspace import Workspace
from tests.conftest import MakeWorkspace
from tests.records import expect_all

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CLASSES = ["?", "<=50K", "setosa (L.)", "$\\frac{a$", "..", "a/../b"]
FEATURES = ["$x_{", "a/b", "50%", "<script>"]


@pytest.fixture
def odd(
    mlflow_db: Path, make_workspace: MakeWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    features = [{"name": name, "type": "number", "min": -100, "max": 100} for name in FEATURES]
    table = {"features": features, "target": "what?", "classes": CLASSES, "min_rows": 30}
    project = {"name": "odd", "default_team": "team_a", "table": table}
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(project), encoding="utf-8")
    monkeypatch.setenv("IRIS_PROJECT_FILE", str(path))
    return make_workspace()


def rows(count: int, seed: int, with_id: bool = False) -> bytes:
    draw = random.Random(seed)
    lines = [",".join([*FEATURES, "what?", *(["id"] if with_id else [])])]
    for number in range(count):
        place = number % len(CLASSES)
        cells = [f"{10 * place + draw.gauss(0, 1):.3f}" for _ in FEATURES]
        lines.append(",".join([*cells, CLASSES[place], *([f"r{number}"] if with_id else [])]))
    return "\n".join(lines).encode()


def upload(workspace: Workspace, key: str, data: bytes) -> None:
    workspace.store.put(workspace.settings.bucket, key, data, "text/csv")


def test_from_training_to_late_labels(odd: Workspace) -> None:
    upload(odd, odd.settings.train_key, rows(240, 1))
    work = training.train(odd, training.validate(odd, training.reconcile_training(odd)))
    promotion.register_step(odd, work.identity)

    upload(odd, odd.settings.test_key, rows(120, 2, with_id=True))
    shards = scoring.plan_shards(odd)
    [published] = scoring.publish_all(
        odd, [one for shard in shards for one in scoring.score_shard(odd, shard)]
    )
    assert published["accuracy"] == 1.0

    reports: list[dict[str, Any]] = [monitoring.report(odd, path) for path in monitoring.plan_reports(odd)]
    assert [report["severity"] for report in reports] == ["none"]

    labels = "\n".join(["id,what?", *(f"r{number},{CLASSES[number % 6]}" for number in range(120))])
    upload(odd, f"{odd.settings.labels_prefix}answers.csv", labels.encode())
    [verdict] = monitoring.join_labels(odd)
    assert verdict["severity"] == "none"
    [record] = expect_all(MeasuredRecord, odd.ledger.recent("performance"))
    [measured] = record.evidence.models.values()
    assert (measured.joined, measured.accuracy, set(measured.per_class)) == (120, 1.0, set(CLASSES))
