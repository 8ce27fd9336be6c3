"""What questions to the ledger cost: as many requests with a long past as with a short one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

import pytest

from iris_core.errors import NothingOwed
from iris_core.history.queries import Question, matching, staged_at, story
from iris_core.ledger import Identity, Ledger, Record
from iris_core.ledger.packs import MOST_APART, Pack
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.requests import open_requests
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import alerts
from tests.conftest import MakeWorkspace
from tests.counting import CountingStore
from tests.drifting import Channel, verdict
from tests.long_past import lives
from tests.records import expect, like

NOW = datetime.now(UTC)


def lived(workspace: Workspace, versions: int) -> None:
    """So many versions, an hour apart, each trained, promoted, and used once; none has drifted."""
    records: list[Record] = []
    for version, mine in lives(versions, NOW):
        records += mine
        workspace.ledger.note_version(version, mine[0].identity)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(workspace.ledger.commit, records))
    verdict(workspace, 1, "none")


def requests(workspace: Workspace, question: Callable[[Workspace], object]) -> int:
    """Reads and listings of a question."""
    store = CountingStore(workspace.store)
    question(replace(workspace, store=store, ledger=Ledger(store, workspace.settings.bucket, "dev")))
    return len(store.reads) + len(store.listings)


def alert(workspace: Workspace) -> None:
    with pytest.raises(NothingOwed):
        alerts.deliver_owed(workspace, {"a": Channel()})


def newest(workspace: Workspace, question: Question) -> list[Record]:
    return list(islice(matching(workspace.ledger, question), 3))


QUESTIONS: dict[str, Callable[[Workspace], object]] = {
    "ledger": lambda it: newest(it, Question()),
    "ledger of an outcome": lambda it: newest(it, Question(outcome="scored")),
    "ledger of a version": lambda it: newest(it, Question(version=3)),
    "at": lambda it: staged_at(it.ledger, NOW),
    "explain": lambda it: expect(TrainedRecord, story(it.ledger, 3).training),
    "alerts": alert,
    "requests for an answer": lambda it: list(open_requests(it.ledger)),
}


def test_as_many_requests_with_a_long_past(make_workspace: MakeWorkspace) -> None:
    short, long = make_workspace(), make_workspace()
    lived(short, 12)
    lived(long, 120)
    costs = {name: (requests(short, ask), requests(long, ask)) for name, ask in QUESTIONS.items()}

    assert len(story(long.ledger, 3).scorings) == 1
    # To say what took a version's place, explain reads the decisions that staged one, up to 500.
    assert {name: cost for name, cost in costs.items() if name != "explain" and cost[1] > cost[0] + 5} == {}
    assert costs["explain"][1] - costs["explain"][0] <= 120 - 12 + 5


class TestPack:
    def entries_of(self, workspace: Workspace) -> list[Record]:
        return list(Pack.of(workspace, "verdicts").records(workspace.ledger.journal("promotion")))

    def test_read_once_they_take_one_request(self, workspace: Workspace) -> None:
        lived(workspace, MOST_APART + 5)
        first = self.entries_of(workspace)

        assert requests(workspace, self.entries_of) <= 1 + 5
        assert self.entries_of(workspace) == first == list(workspace.ledger.recent("promotion"))

    @pytest.mark.parametrize("body", [b"", b"no archive", b"\x1f\x8b\x08\x00"])
    def test_a_damaged_one_is_made_anew(self, workspace: Workspace, body: bytes) -> None:
        lived(workspace, MOST_APART + 5)
        pack = Pack.of(workspace, "verdicts")
        workspace.store.put(pack.bucket, pack.key, body, "application/gzip")

        assert self.entries_of(workspace) == list(workspace.ledger.recent("promotion"))
        assert requests(workspace, self.entries_of) <= 1 + 5

    def test_an_old_one_hides_nothing(self, workspace: Workspace) -> None:
        lived(workspace, MOST_APART + 5)
        self.entries_of(workspace)
        later = like(VerdictRecord, at=NOW, identity=Identity.of_verdict("f" * 32, NOW))
        workspace.ledger.commit(later)

        assert self.entries_of(workspace)[0] == later
