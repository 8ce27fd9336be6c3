"""What of a category with very many levels goes into a record and into MLflow."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from iris_core.drift.debounce import Debounced
from iris_core.drift.levels import REST
from iris_core.drift.sides import Side
from iris_core.drift.statistics import FeatureStatistics, of_frame
from iris_core.drift.verdict import DriftVerdict, judge
from iris_core.ledger.bounded import MOST_BYTES, fitted
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.monitoring.metrics import drift_metrics

pytestmark = pytest.mark.unit

LEVELS = tuple(f"a level with a rather long name, number {place:04}" for place in range(1_000))


def verdict(columns: int) -> DriftVerdict:
    rng, names = np.random.default_rng(1), [f"column {place}" for place in range(columns)]
    codes = dict.fromkeys(names, LEVELS)

    def side(rows: int) -> Side:
        drawn = np.minimum(rng.geometric(0.005, (rows, columns)) - 1, 999).astype(np.float64)
        drawn[: rows // 3, 0] = 700.0 if rows < 2_000 else 0.0
        frame = pl.DataFrame(drawn, schema=names)
        return Side(of_frame(frame, names, codes), frame)

    return judge(side(3_000), side(1_000))


@pytest.fixture(scope="module")
def found() -> DriftVerdict:
    return verdict(8)


def test_a_record_has_the_levels_that_matter_and_says_how_many_rows_the_others_have(
    found: DriftVerdict,
) -> None:
    short = found.shortened()
    levels = short.current["column 0"].levels or {}
    assert len(levels) <= 17
    assert levels[LEVELS[700]] == found.current["column 0"].levels[LEVELS[700]]  # type: ignore[index]
    assert sum(levels.values()) == short.current["column 0"].count == 1_000
    assert levels[REST] > 0
    assert len(found.current["column 0"].levels or {}) > 300  # the file of statistics has all


@pytest.mark.parametrize("columns", [8, 18])
def test_a_record_has_room_for_many_categories_of_many_levels(columns: int) -> None:
    made = verdict(columns)
    evidence = BatchDriftRecord.Evidence(
        **made.shortened().model_dump(mode="json"),
        debounce=Debounced(alert=False, violations=0, seen=1, window=3, needed=2, least="medium"),
    )
    content = evidence.model_dump(mode="json")
    assert len(json.dumps(content, indent=1)) < MOST_BYTES
    kept, left_out = fitted(content)
    assert left_out == {}
    scores = {name: FeatureStatistics.model_validate(one) for name, one in kept["scores"].items()}
    assert scores == made.scores


def test_mlflow_is_told_the_shares_of_the_levels_that_matter(found: DriftVerdict) -> None:
    metrics = dict(drift_metrics(found))
    shares = {name: value for name, value in metrics.items() if name.startswith("current/column 0/share/")}
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[f"current/column 0/share/{LEVELS[700]}"] > 0.3
    assert "current/column 0/mean" not in metrics
    assert metrics["missing_share/column 0"] == 0
