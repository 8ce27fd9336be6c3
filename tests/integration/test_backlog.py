"""More scorings without a drift record than Airflow maps: each run takes a portion, none is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from iris_core import monitoring
from iris_core.errors import NothingOwed
from iris_core.ledger import Identity, Variant
from iris_core.ledger.portion import MOST
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.workspace import Workspace
from tests.records import like

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

SCORINGS = 1_100


def each(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(work, items))


def test_unreported_scorings_are_taken_in_portions(tracked: Workspace) -> None:
    today, ledger = datetime.now(UTC).date(), tracked.ledger

    def score(number: int) -> str:
        scored = Identity("scoring", today, f"object{number:04}", Variant("v1-abcdef12"))
        return ledger.commit(like(ScoredRecord, identity=scored)).record.identity.path

    def report(path: str) -> None:
        scored = ledger.find(ScoredRecord, path)
        assert scored is not None
        drift = Identity.of_drift(scored.identity, scored.at)
        ledger.commit(like(BatchDriftRecord, identity=drift, inputs={"scoring": path}))

    def portion() -> tuple[int, int]:
        found = monitoring.plan_reports(tracked)
        each(report, found)
        taken.extend(found)
        return len(found), found.left

    taken: list[str] = []
    paths = each(score, range(SCORINGS))
    assert SCORINGS > 1_024 > MOST
    assert [portion() for _ in range(3)] == [(500, 600), (500, 100), (100, 0)]
    assert sorted(taken) == sorted(paths)
    with pytest.raises(NothingOwed, match="Every scoring has its drift record"):
        monitoring.plan_reports(tracked)
