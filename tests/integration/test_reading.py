"""What questions to the ledger cost: as many requests with a long past as with a short one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from iris_core.errors import NothingOwed
from iris_core.history.queries import Question, matching, staged_at, story
from iris_core.ledger import Identity, Ledger, ModelRef, Outcome, Record
from iris_core.ledger.identity import Variant
from iris_core.ledger.packs import MOST_APART, Pack
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import alerts
from iris_core.promotion.approval import open_requests
from tests.conftest import MakeWorkspace
from tests.counting import CountingStore
from tests.drifting import Channel, verdict
from tests.records import expect, like

NOW = datetime.now(UTC)


def lived(workspace: Workspace, versions: int) -> None:
    """So many versions, an hour apart, each trained, promoted, and used once; none has drifted."""
    table = like(TrainedRecord).about
    records: list[Record] = []
    for version in range(1, versions + 1):
        at, run = NOW - timedelta(hours=versions + 1 - version), f"{version:032x}"
        landed = table.model_copy(update={"landed_at": at, "version_id": run})
        first = like(
            TrainedRecord,
            identity=Identity.of_object("training", landed, "c1"),
            at=at + timedelta(seconds=9),
            inputs={"object": landed},
            outputs={"run_id": run},
        )
        model = ModelRef(name="m", version=version, run_id=run, training=first.identity.path)
        times = {"trained_at": first.at, "landed_at": at}
        gate = like(
            VerdictRecord,
            outcome=Outcome.PROMOTED,
            identity=Identity.of_verdict(run, first.at),
            at=at + timedelta(seconds=20),
            inputs={"model": "m", "version": version, "run_id": run, "training": model.training, **times},
        )
        used = like(
            ScoredRecord,
            identity=Identity("scoring", at.date(), run, Variant(model.variant)),
            at=at + timedelta(seconds=30),
            inputs={"object": landed, "model": model},
        )
        records += [first, gate, used]
        workspace.ledger.note_version(version, first.identity)
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
