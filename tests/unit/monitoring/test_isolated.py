"""A verdict that is left out without reading all others does not alert."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from iris_core.ledger import Identity, ModelRef
from iris_core.ledger.records.drift import BatchDriftRecord, DriftRecord
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import verdicts
from iris_core.monitoring.isolated import MOST_ASKED, may_alert
from iris_core.settings.variables import Settings
from tests.long_past import in_memory, keep
from tests.memory import MemoryStore
from tests.records import like

pytestmark = pytest.mark.unit

MODEL = ModelRef(name="a_model", version=3, run_id="0123456789abcdef")
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def judged(workspace: Workspace, number: int, landed: datetime, outcome: str, late: timedelta) -> DriftRecord:
    """The verdict on a batch that landed at a time, recorded so much later."""
    about = like(BatchDriftRecord).about
    current = about.model_copy(update={"version_id": f"v{number}", "landed_at": landed})
    scoring = Identity.of_object("scoring", current, MODEL.variant)
    evidence = {"severity": outcome, "chance": 0.0}
    record = like(
        BatchDriftRecord,
        identity=Identity.of_drift(scoring, landed),
        at=landed + late,
        outcome=outcome,
        inputs={"scoring": scoring.path, "current": current, "model": MODEL},
        evidence=evidence,
    )
    keep(workspace, record)
    return record


def drawn(chance: random.Random, share: float) -> tuple[Workspace, list[DriftRecord]]:
    """Sixty verdicts, of which a share drifts, in another order than their batches landed in."""
    workspace = in_memory(MemoryStore())
    records = []
    for number in range(60):
        landed = NOW - timedelta(minutes=3 * (60 - number), seconds=chance.randrange(60))
        outcome = (
            "high" if chance.random() < share else chance.choice(("none", "none", "low", "insufficient"))
        )
        late = timedelta(seconds=chance.choice((5, 60, 200, 900, 3600)))
        records.append(judged(workspace, number, landed.replace(microsecond=0), outcome, late))
    return workspace, records


@pytest.mark.parametrize(("window", "needed"), [(1, 1), (3, 1), (3, 2), (3, 3), (5, 2), (5, 4)])
def test_whatever_alerts_is_kept(window: int, needed: int) -> None:
    left_out = alerting = 0
    for seed in range(40):
        chance = random.Random(f"{seed} {window} {needed}")
        workspace, records = drawn(chance, share=chance.choice((0.03, 0.1, 0.4)))
        settings = _settings(workspace, window, needed)
        states = {it.identity: state for it, state in verdicts.with_debounce(settings, records)}
        asked = {it.identity for it in records if it.outcome in verdicts.violating(settings)}
        kept = may_alert(settings, workspace.ledger, asked)
        assert {identity for identity in asked if states[identity].alert} <= kept <= asked
        left_out += len(asked - kept)
        alerting += sum(states[identity].alert for identity in asked)
    assert alerting > 10
    assert left_out > 10 or needed == 1


def test_one_among_many_takes_a_few_reads() -> None:
    workspace = in_memory(MemoryStore())
    found = [
        judged(
            workspace,
            number,
            NOW - timedelta(minutes=200 - number),
            "high" if number in (20, 120) else "none",
            timedelta(seconds=5),
        )
        for number in range(200)
    ]
    asked = {found[120].identity}
    assert isinstance(workspace.store, MemoryStore)
    assert not may_alert(workspace.settings, workspace.ledger, asked)
    assert workspace.store.requests["get"] <= 6


def test_where_many_drift_none_is_left_out() -> None:
    workspace = in_memory(MemoryStore())
    asked = {
        judged(workspace, number, NOW - timedelta(hours=number), "high", timedelta(seconds=5)).identity
        for number in range(MOST_ASKED + 1)
    }
    assert may_alert(workspace.settings, workspace.ledger, asked) == asked
    assert isinstance(workspace.store, MemoryStore)
    assert not workspace.store.requests


def _settings(workspace: Workspace, window: int, needed: int) -> Settings:
    return workspace.settings.model_copy(update={"drift_window": window, "drift_violations": needed})
