"""What readers ask of the store with a long past: as much as with a short one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice

import pytest

from iris_core.drift.thresholds import Severity
from iris_core.errors import NothingOwed, ObjectMissing
from iris_core.history.queries import Question, matching, staged_at, staged_before, stagings, story
from iris_core.ledger import Identity
from iris_core.ledger.packs import Pack
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.objects import FailedRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.requests import open_requests
from iris_core.ledger.tries import reopen
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import alerts, verdicts
from iris_core.monitoring.isolated import may_alert
from iris_core.monitoring.verdicts import series_of
from iris_core.promotion.rivals import LOOKED_THROUGH
from iris_core.store.objects import ObjectVersion
from iris_core.training.requests import requested_retrainings
from tests.drifting import MODEL, Channel
from tests.long_past import BUCKET, decided, keep, lived
from tests.memory import MemoryStore
from tests.records import expect, like

pytestmark = pytest.mark.unit

FEW, MANY = 1_000, 10_000
NAMES = 1_000
"""So many names a store lists in one answer."""
NOW = datetime.now(UTC)
Reader = Callable[[Workspace], object]

objects, versions = cache(decided), cache(lived)


@dataclass(frozen=True)
class Judged:
    """A verdict that is not recorded yet."""

    severity: Severity = "none"
    chance: float = 1.0


def requests(workspace: Workspace, ask: Reader) -> int:
    """Requests of a question, each page of a listing counted, after it was asked once."""
    store = expect(MemoryStore, workspace.store)
    ask(workspace)
    store.requests.clear()
    ask(workspace)
    return store.requests.total()


def newest(question: Question) -> Reader:
    return lambda it: list(islice(matching(it.ledger, question), 5))


def alert(workspace: Workspace) -> None:
    with pytest.raises(NothingOwed):
        alerts.deliver_owed(workspace, {"webhook": Channel()})


def batch(workspace: Workspace) -> tuple[Identity, ObjectVersion]:
    """A batch that has just landed, and the identity of the verdict on it."""
    last = next(workspace.ledger.recent_of(BatchDriftRecord))
    landed = last.about.model_copy(update={"landed_at": NOW, "version_id": "new"})
    assert last.model
    scoring = Identity.of_object("scoring", landed, last.model.variant)
    return Identity.of_drift(scoring, NOW), landed


def retraining(workspace: Workspace) -> object:
    """What the policy looks at: verdicts that alert, of the cooldown and two days, and earlier requests."""
    settings, ledger = workspace.settings, workspace.ledger
    series = series_of(batch(workspace)[0])
    found = verdicts.recent_violations(settings, ledger, series, NOW - timedelta(days=3))
    found = may_alert(settings, ledger, found)
    return verdicts.near(settings, ledger, found), list(requested_retrainings(ledger))


def gate(workspace: Workspace) -> object:
    entries = islice(workspace.ledger.journal("promotion"), LOOKED_THROUGH)
    return Pack.of(workspace, "verdicts").records(entries)


OF_OBJECTS: dict[str, Reader] = {
    "ledger, status": newest(Question()),
    "ledger of a kind": newest(Question(kinds=("drift",))),
    "alerts": alert,
    "N of M": lambda it: verdicts.debounced_now(it, *batch(it), MODEL, Judged()),
    "the batches before": lambda it: verdicts.earlier(it, *batch(it), MODEL),
    "retraining": retraining,
    "the gate's champion": gate,
    "requests for an answer": lambda it: list(open_requests(it.ledger)),
}
OF_VERSIONS: dict[str, Reader] = {
    "at": lambda it: staged_at(it.ledger, NOW),
    "at, long ago": lambda it: staged_at(it.ledger, NOW - timedelta(hours=FEW - 10)),
    "the version before": lambda it: staged_before(it.ledger, next(stagings(it.ledger)).model.version),
}
SEARCHED: dict[str, Reader] = {
    "explain": lambda it: expect(TrainedRecord, story(it.ledger, 3).training),
    "ledger of a version": newest(Question(version=3)),
    "ledger of an outcome": newest(Question(outcome="rejected")),
}
"""Questions that search the names of the journal, the newest 50,000 of each kind."""


@pytest.mark.parametrize("name", OF_OBJECTS)
def test_after_ten_thousand_objects_as_after_a_thousand(name: str) -> None:
    """Each verdict that may alert takes a few reads, and there are more of them within the same days."""
    ask, more = OF_OBJECTS[name], 10 if name == "retraining" else 5
    assert requests(objects(MANY), ask) <= requests(objects(FEW), ask) + more


@pytest.mark.parametrize("name", OF_VERSIONS)
def test_after_ten_thousand_versions_as_after_a_thousand(name: str) -> None:
    ask = OF_VERSIONS[name]
    assert requests(versions(MANY), ask) <= requests(versions(FEW), ask) + 5


@pytest.mark.parametrize("name", SEARCHED)
def test_searching_lists_names_and_reads_what_it_shows(name: str) -> None:
    ask, pages = SEARCHED[name], 3 * (MANY - FEW) / NAMES
    long = versions(MANY)
    assert requests(long, ask) <= requests(versions(FEW), ask) + 2 * pages
    assert expect(MemoryStore, long.store).requests["get"] <= 15


def test_what_failed_is_opened_again_without_a_search() -> None:
    """Whatever else has failed, and however much was decided since."""
    costs = []
    for world in (objects(FEW), objects(MANY)):
        store = expect(MemoryStore, world.store)
        landed = store.land(BUCKET, "in/failed.csv", "f", NOW - timedelta(days=99))
        failed = like(
            FailedRecord,
            identity=Identity.of_object("scoring", landed, "v3-01234567"),
            at=NOW - timedelta(days=99),
            inputs={"object": landed},
        )
        keep(world, failed)
        store.requests.clear()
        [opened] = reopen(world, landed.uri, "mended")
        assert opened.points_to == failed.identity.path
        costs.append(store.requests.total())
        with pytest.raises(ObjectMissing):
            reopen(world, f"s3://{BUCKET}/in/failed.csv", "again")
    assert costs[1] <= costs[0] <= 10
