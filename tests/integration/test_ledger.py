"""The ledger: each decision is committed once, found again, and listed newest first without reading all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from itertools import islice
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_core.errors import StoreError
from iris_core.ledger import KINDS, Actor, Identity, Kind, Ledger, Variant
from iris_core.ledger.records.objects import RejectedRecord, SupersededRecord, UnchangedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from tests.counting import CountingStore
from tests.records import like

DAY = date(2026, 11, 23)
WHO = Actor(owner="tester")


def identity(subject: str = "5ab1ec7", variant: str = "v1", kind: Kind = "training") -> Identity:
    return Identity(kind, DAY, subject, Variant(variant))


class TestCommit:
    def test_one_of_eight_writes_the_record_and_all_get_it(self, workspace: Workspace) -> None:
        start = Barrier(8)

        def commit(number: int) -> tuple[bool, str]:
            start.wait()
            by = Actor(owner=f"thread {number}")
            record = like(TrainedRecord, identity=identity(), by=by, reason=f"thread {number}")
            committed = workspace.ledger.commit(record)
            return committed.won, committed.record.reason

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(commit, range(8)))
        winners = [number for number, (won, _) in enumerate(results) if won]
        assert len(winners) == 1
        assert {reason for _, reason in results} == {f"thread {winners[0]}"}
        assert [record.reason for record in workspace.ledger.recent()] == [f"thread {winners[0]}"]

    def test_a_record_is_never_overwritten(self, workspace: Workspace) -> None:
        first = workspace.ledger.commit(like(TrainedRecord, identity=identity(), by=WHO))
        second = workspace.ledger.commit(like(RejectedRecord, identity=identity(), by=WHO))
        assert first.won
        assert not second.won
        assert second.record == first.record == workspace.ledger.get(identity())
        key = f"ledger/dev/training/{DAY}/5ab1ec7/v1.json"
        assert len(list(workspace.store.versions(workspace.settings.bucket, key))) == 1

    def test_a_record_holds_what_was_given(self, workspace: Workspace) -> None:
        before = datetime.now(UTC)
        given = like(TrainedRecord, identity=identity(), by=WHO, reason="r")
        record = workspace.ledger.commit(given).record
        stored = workspace.ledger.find(TrainedRecord, identity())
        assert stored == record == given
        assert before <= record.at <= datetime.now(UTC)

    def test_what_is_found_has_the_type_that_was_asked_for(self, workspace: Workspace) -> None:
        workspace.ledger.commit(like(RejectedRecord, identity=identity()))
        assert workspace.ledger.find(TrainedRecord, identity()) is None
        assert workspace.ledger.find(RejectedRecord, identity().path) is not None
        assert workspace.ledger.get("of/no/record") is None

    def test_environments_have_ledgers_of_their_own(self, workspace: Workspace) -> None:
        workspace.ledger.commit(like(TrainedRecord, identity=identity(), by=WHO))
        prod = Ledger(workspace.store, workspace.settings.bucket, "prod")
        assert prod.get(identity()) is None
        assert list(prod.recent()) == []
        assert prod.commit(like(RejectedRecord, identity=identity(), by=WHO)).won

    def test_a_spoiled_record_is_named(self, workspace: Workspace) -> None:
        key = f"ledger/dev/{identity().path}.json"
        workspace.store.put(workspace.settings.bucket, key, b'{"kind": "training"}', "application/json")
        with pytest.raises(StoreError, match=f"{key} is not a ledger record"):
            workspace.ledger.get(identity())


class TestOfSubject:
    def test_all_decisions_about_one_subject_oldest_first(self, workspace: Workspace) -> None:
        commit = workspace.ledger.commit
        commit(like(SupersededRecord, identity=identity(variant="v2")))
        commit(like(TrainedRecord, identity=identity(variant="v1")))
        commit(like(TrainedRecord, identity=identity("5ab1ec7d", "v1")))
        commit(like(ScoredRecord, identity=identity(kind="scoring")))
        found = workspace.ledger.of_subject("training", DAY, "5ab1ec7")
        assert [(record.variant, record.outcome) for record in found] == [
            ("v2", "superseded"),
            ("v1", "trained"),
        ]
        assert workspace.ledger.of_subject("training", date(2026, 11, 22), "5ab1ec7") == []

    def test_what_was_decided_of_a_day_without_reading(self, workspace: Workspace) -> None:
        store = CountingStore(workspace.store)
        ledger = Ledger(store, workspace.settings.bucket, "dev")
        for subject in ("a", "b", "b"):
            ledger.commit(like(TrainedRecord, identity=identity(subject)))
        ledger.commit(like(TrainedRecord, identity=identity("b", "v2")))
        store.reads.clear()
        assert ledger.decided_on("training", DAY) == {"a": ("v1",), "b": ("v1", "v2")}
        assert ledger.decided_on("drift", DAY) == {}
        assert ledger.variants_of("training", str(DAY), "b") == ("v1", "v2")
        keys = [(str(DAY), "a", "v1"), (str(DAY), "b", "v1"), (str(DAY), "b", "v2")]
        assert list(ledger.decided_keys("training")) == keys
        assert list(ledger.decided_keys("training", str(DAY))) == keys
        assert store.reads == []

    def test_what_may_be_superseded_without_reading(self, workspace: Workspace) -> None:
        store = CountingStore(workspace.store)
        ledger = Ledger(store, workspace.settings.bucket, "dev")
        ledger.commit(like(TrainedRecord, identity=identity("trained")))
        ledger.commit(like(SupersededRecord, identity=identity("gone")))
        ledger.commit(like(SupersededRecord, identity=identity("elsewhere", kind="scoring")))
        assert not ledger.commit(like(SupersededRecord, identity=identity("trained"))).won
        store.reads.clear()
        entries = list(ledger.decided_since("training", None))
        assert [(outcome, subject) for outcome, _, subject, _ in entries] == [
            ("trained", "trained"),
            ("superseded", "gone"),
            ("superseded", "trained"),
        ]
        assert not list(ledger.decided_since("training", datetime.now(UTC)))
        assert not list(ledger.decided_since("drift", None))
        assert store.reads == []


class TestRecent:
    @pytest.fixture
    def store(self, workspace: Workspace) -> CountingStore:
        return CountingStore(workspace.store)

    @pytest.fixture
    def ledger(self, store: CountingStore, workspace: Workspace) -> Ledger:
        """s0 … s9, kinds and outcomes in turn."""
        ledger = Ledger(store, workspace.settings.bucket, "dev")
        for number in range(10):
            kind: Kind = ("training", "scoring")[number % 2]
            what = (SupersededRecord, UnchangedRecord)[number // 5]
            ledger.commit(like(what, identity=identity(f"s{number}", kind=kind)))
        store.reads.clear()
        return ledger

    def test_newest_first_over_all_kinds(self, ledger: Ledger) -> None:
        assert [record.subject for record in ledger.recent()] == [f"s{n}" for n in reversed(range(10))]

    def test_some_kinds(self, ledger: Ledger) -> None:
        assert [record.subject for record in ledger.recent("scoring")] == ["s9", "s7", "s5", "s3", "s1"]
        assert list(ledger.recent("drift", "promotion")) == []

    def test_only_what_is_consumed_is_read(self, ledger: Ledger, store: CountingStore) -> None:
        assert [record.subject for record in islice(ledger.recent("training"), 2)] == ["s8", "s6"]
        assert len(store.reads) == 2

    def test_one_outcome_and_the_others_are_not_read(self, ledger: Ledger, store: CountingStore) -> None:
        assert [record.subject for record in ledger.recent(outcome="superseded")] == [
            "s4",
            "s3",
            "s2",
            "s1",
            "s0",
        ]
        assert len(store.reads) == 5

    def test_before_excludes_its_own_moment(self, ledger: Ledger) -> None:
        fifth = list(ledger.recent())[4]
        assert fifth.subject == "s5"
        assert [record.subject for record in ledger.recent(before=fifth.at)] == ["s4", "s3", "s2", "s1", "s0"]

    def test_an_entry_without_its_commit_is_ignored(self, ledger: Ledger, workspace: Workspace) -> None:
        died = f"ledger/dev/journal/training/{DAY}/235959.000000~superseded~{DAY}~never~v1"
        overtaken = f"ledger/dev/journal/training/{DAY}/235959.000000~superseded~{DAY}~s0~v1"
        for key in (died, overtaken):
            workspace.store.put(workspace.settings.bucket, key, b"", "application/octet-stream")
        assert [record.subject for record in ledger.recent("training")] == ["s8", "s6", "s4", "s2", "s0"]

    def test_over_days_newest_first(self, ledger: Ledger) -> None:
        """Records of earlier days, written as they would have been then."""
        for day in ("2026-01-31", "2025-12-01"):
            at = datetime.fromisoformat(f"{day}T12:00:00+00:00")
            ledger.commit(like(SupersededRecord, identity=identity(day), at=at))
        assert [record.subject for record in ledger.recent("training")][-3:] == [
            "s0",
            "2026-01-31",
            "2025-12-01",
        ]
        midnight = datetime(2026, 1, 1, tzinfo=UTC)
        assert [record.subject for record in ledger.recent(before=midnight)] == ["2025-12-01"]


PARTS = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1).filter(
    lambda part: part.strip(".")
)


@pytest.mark.unit
class TestIdentity:
    @given(st.sampled_from(KINDS), st.dates(), PARTS, PARTS)
    def test_path_round_trip(self, kind: Kind, day: date, subject: str, variant: str) -> None:
        one = Identity(kind, day, subject, Variant(variant))
        assert Identity.parse(one.path) == one

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "training",
            "cooking/2026-11-23/a/b",
            "training/yesterday/a/b",
            "training/2026-11-23/a/b/c",
            "training/2026-11-23/a/.",
            "training/2026-11-23/../b",
        ],
    )
    def test_other_paths_are_refused(self, path: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            Identity.parse(path)
