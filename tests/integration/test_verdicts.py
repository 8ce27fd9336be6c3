"""N of M from a ledger: the same whether all verdicts are read or only those that count; few are read."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from iris_core.drift.thresholds import SEVERITIES, Severity
from iris_core.ledger import Identity, Ledger, ModelRef
from iris_core.ledger.records.drift import BatchDriftRecord, Undecided
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import verdicts
from iris_core.store.versions import ObjectVersion
from tests.counting import CountingStore
from tests.drifting import MODEL

OTHER = MODEL.model_copy(update={"version": 4})
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Sound:
    """A verdict that finds nothing."""

    severity: Severity = "none"
    chance: float = 0.0


def batch(workspace: Workspace, number: int, landed: datetime) -> ObjectVersion:
    return ObjectVersion(
        bucket=workspace.settings.bucket,
        key=f"in/{number}",
        version_id="v",
        etag="e",
        size=1,
        landed_at=landed.replace(microsecond=0),
    )


def judged(
    workspace: Workspace, current: ObjectVersion, model: ModelRef, severity: Severity, took: timedelta
) -> BatchDriftRecord:
    """The verdict on a batch, recorded so long after it landed."""
    at = current.landed_at + took
    scoring = Identity.of_object("scoring", current, model.variant)
    record = BatchDriftRecord(
        identity=Identity.of_drift(scoring, at),
        at=at,
        outcome=severity,
        by=workspace.actor,
        inputs=BatchDriftRecord.Inputs(scoring=scoring.path, current=current, model=model),
        evidence=Undecided(),
    )
    workspace.ledger.commit(record)
    return record


@pytest.fixture
def counting(workspace: Workspace) -> tuple[Workspace, CountingStore]:
    store = CountingStore(workspace.store)
    return replace(workspace, store=store, ledger=Ledger(store, workspace.settings.bucket, "dev")), store


@pytest.mark.parametrize("seed", range(4))
def test_as_if_every_verdict_were_read(workspace: Workspace, seed: int) -> None:
    """Verdicts on two models, recorded in another order than their batches landed in."""
    chance = random.Random(seed)
    records = [
        judged(
            workspace,
            batch(
                workspace, number, NOW - timedelta(minutes=3 * (60 - number), seconds=chance.randrange(60))
            ),
            chance.choice((MODEL, OTHER)),
            chance.choice(SEVERITIES),
            timedelta(seconds=chance.choice((5, 60, 900, 3600))),
        )
        for number in range(60)
    ]
    everything = {each.identity: state for each, state in verdicts.with_debounce(workspace.settings, records)}

    for asked in (chance.sample(records, chance.choice((1, 1, 3))) for _ in range(8)):
        identities = {record.identity for record in asked}
        near = verdicts.near(workspace.settings, workspace.ledger, identities)
        told = {each.identity: state for each, state in verdicts.with_debounce(workspace.settings, near)}
        assert {one: told[one] for one in identities} == {one: everything[one] for one in identities}


def test_a_long_past_is_not_read(counting: tuple[Workspace, CountingStore]) -> None:
    workspace, store = counting
    for number in range(60):
        current = batch(workspace, number, NOW - timedelta(minutes=5 * (60 - number)))
        last = judged(workspace, current, MODEL, "none", timedelta(seconds=10))
    store.reads.clear()

    verdicts.near(workspace.settings, workspace.ledger, {last.identity})
    assert len(store.reads) <= workspace.settings.drift_window + 2

    store.reads.clear()
    verdicts.debounced_now(workspace, last.identity, last.about, MODEL, Sound())
    assert len(store.reads) <= workspace.settings.drift_window + 2

    store.reads.clear()
    since = NOW - timedelta(days=2)
    series = verdicts.series_of(last.identity)
    assert not verdicts.recent_violations(workspace.settings, workspace.ledger, series, since)
    assert store.reads == []
