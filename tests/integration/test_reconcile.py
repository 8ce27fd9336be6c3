"""What is owed, from the bucket and the ledger: real versions, real records."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from minio.deleteobjects import DeleteObject

from iris_core.ledger import Identity, Ledger
from iris_core.ledger.owed import Pending, unaccounted
from iris_core.ledger.reconcile import Scope, reconcile, supersede_older
from iris_core.ledger.records.objects import ObjectRecord, RejectedRecord, UnchangedRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.source import Source
from iris_core.ledger.workspace import Workspace
from iris_core.store.objects import ObjectVersion
from tests.conftest import MakeWorkspace
from tests.counting import CountingStore
from tests.records import expect, like

pytestmark = pytest.mark.integration

KEY = "iris/iris_train.csv"
INBOX = "iris/incoming/"
A, B = b"a,b\n1,2\n", b"a,b\n3,4\n"


def put(workspace: Workspace, data: bytes, key: str = KEY) -> ObjectVersion:
    workspace.store.put(workspace.settings.bucket, key, data, "text/csv")
    return workspace.store.head(workspace.settings.bucket, key)


def next_second() -> None:
    """What lands in one second of an unversioned bucket, or under several keys, has no order."""
    time.sleep(1.01 - time.time() % 1)


def scope(workspace: Workspace, variant: str = "c1", key: str = KEY) -> Scope:
    config = like(TrainedRecord).inputs.config.model_copy(update={"variant": variant})
    return Scope("training", Source(workspace.settings.bucket, key), config)


def owed(workspace: Workspace, variant: str = "c1", key: str = KEY) -> list[Pending]:
    return reconcile(workspace, scope(workspace, variant, key)).owed


def owed_objects(workspace: Workspace, variant: str = "c1", key: str = KEY) -> list[ObjectVersion]:
    return [pending.object for pending in owed(workspace, variant, key)]


def decide(
    workspace: Workspace, pending: Sequence[Pending], what: type[ObjectRecord] = TrainedRecord
) -> None:
    for one in pending:
        record = like(what, identity=one.identity, by=workspace.actor, inputs={"object": one.object})
        assert workspace.ledger.commit(record).won


def settle(workspace: Workspace, variant: str = "c1", key: str = KEY) -> list[ObjectVersion]:
    """Decide about everything that is owed; returns it."""
    pending = owed(workspace, variant, key)
    decide(workspace, pending)
    return [one.object for one in pending]


def record_about(workspace: Workspace, version: ObjectVersion) -> ObjectRecord:
    """The last decision about a version."""
    record = workspace.ledger.of_subject("training", version.landed_at.date(), version.digest)[-1]
    assert isinstance(record, ObjectRecord)
    return record


def outcomes(workspace: Workspace) -> list[str]:
    """Of every decision, oldest first."""
    return [record.outcome for record in workspace.ledger.recent("training")][::-1]


def unaccounted_now(workspace: Workspace, key: str = KEY) -> list[ObjectVersion]:
    source = Source(workspace.settings.bucket, key)
    return list(unaccounted(workspace.store, workspace.ledger, "training", source))


def everything(workspace: Workspace) -> set[str]:
    return {item.object.uri for item in workspace.store.versions(workspace.settings.bucket, "")}


def undelete(workspace: Workspace, key: str) -> None:
    """Remove the delete marker on a key."""
    store, bucket = workspace.store, workspace.settings.bucket
    listed = store.admin.list_objects(bucket, key, include_version=True)
    markers = [DeleteObject(key, item.version_id) for item in listed if item.is_delete_marker]
    assert markers
    assert list(store.admin.remove_objects(bucket, markers)) == []


class TestOneKey:
    def test_nothing_landed(self, workspace: Workspace) -> None:
        assert owed(workspace) == []
        assert unaccounted_now(workspace) == []

    def test_the_first_upload_is_owed_until_it_is_decided(self, workspace: Workspace) -> None:
        first = put(workspace, A)
        assert unaccounted_now(workspace) == [first]
        [pending] = owed(workspace)
        assert pending.object == first
        assert pending.identity.path == f"training/{first.landed_at.date()}/{first.digest}/c1"
        assert owed_objects(workspace) == [first]
        decide(workspace, [pending])
        assert owed(workspace) == []
        assert unaccounted_now(workspace) == []

    def test_the_same_bytes_again_are_unchanged(self, workspace: Workspace) -> None:
        original = put(workspace, A)
        settle(workspace)
        between, again = (put(workspace, A) for _ in range(2))
        assert owed(workspace) == []
        record = expect(UnchangedRecord, record_about(workspace, again))
        assert record.points_to == record_about(workspace, original).identity.path
        assert record.reason == f"the same content as {original.uri}"
        assert record.inputs.config
        assert record.inputs.config.variant == "c1"
        assert record_about(workspace, between).outcome == "superseded"

    def test_unchanged_points_to_the_original_over_several_repeats(self, workspace: Workspace) -> None:
        put(workspace, B)
        settle(workspace)
        original = put(workspace, A)
        settle(workspace)
        for _ in range(3):
            again = put(workspace, A)
            assert owed(workspace) == []
            assert record_about(workspace, again).points_to == record_about(workspace, original).identity.path
        assert outcomes(workspace) == ["trained", "trained", "unchanged", "unchanged", "unchanged"]

    def test_changed_content_is_owed(self, workspace: Workspace) -> None:
        put(workspace, A)
        settle(workspace)
        changed = put(workspace, B)
        assert settle(workspace) == [changed]

    def test_back_to_earlier_content_is_work_again(self, workspace: Workspace) -> None:
        for data in (A, B, A):
            version = put(workspace, data)
            assert settle(workspace) == [version]
        assert outcomes(workspace) == ["trained", "trained", "trained"]

    def test_the_same_bytes_after_a_superseded_change_are_unchanged(self, workspace: Workspace) -> None:
        original = put(workspace, A)
        settle(workspace)
        skipped = put(workspace, B)
        again = put(workspace, A)
        assert owed(workspace) == []
        assert record_about(workspace, skipped).outcome == "superseded"
        assert record_about(workspace, again).points_to == record_about(workspace, original).identity.path

    def test_what_was_superseded_is_owed_when_its_content_comes_back(self, workspace: Workspace) -> None:
        put(workspace, A)
        settle(workspace)
        skipped = put(workspace, B)
        put(workspace, b"a,b\n5,6\n")
        settle(workspace)
        assert owed(workspace) == []
        assert record_about(workspace, skipped).outcome == "superseded"
        again = put(workspace, B)
        assert settle(workspace) == [again]

    def test_of_a_burst_the_newest_is_owed_and_the_rest_superseded(self, workspace: Workspace) -> None:
        *older, newest = [put(workspace, f"a,b\n{n},0\n".encode()) for n in range(5)]
        assert settle(workspace) == [newest]
        assert unaccounted_now(workspace) == older[::-1]
        assert owed(workspace) == []
        assert unaccounted_now(workspace) == []
        for version in older:
            record = record_about(workspace, version)
            assert record.outcome == "superseded"
            assert newest.uri in record.reason
            assert record.about == version

    def test_work_under_way_is_not_made_void_by_what_lands_after_it(self, workspace: Workspace) -> None:
        put(workspace, A)
        under_way = owed(workspace)
        newest = put(workspace, B)
        assert owed_objects(workspace) == [newest]
        decide(workspace, under_way)
        assert outcomes(workspace) == ["trained"]

    def test_what_is_decided_supersedes_what_came_before_and_not_what_came_after(
        self, workspace: Workspace
    ) -> None:
        before, decided, after = (put(workspace, f"a,b\n{n},0\n".encode()) for n in range(3))
        identity = Identity.of_object("training", decided, "c1")
        decide(workspace, [Pending(decided, identity)])
        superseded = supersede_older(workspace, scope(workspace), decided)
        assert [one.object for one in superseded] == [before]
        assert decided.uri in record_about(workspace, before).reason
        assert unaccounted_now(workspace) == [after]

    def test_a_second_look_owes_and_writes_nothing(self, workspace: Workspace) -> None:
        for data in (A, B, B):
            put(workspace, data)
        settle(workspace)
        put(workspace, B)
        assert owed(workspace) == []
        written = everything(workspace)
        assert owed(workspace) == []
        assert unaccounted_now(workspace) == []
        assert everything(workspace) == written

    def test_other_keys_with_the_same_beginning_do_not_count(self, workspace: Workspace) -> None:
        put(workspace, A, f"{KEY}.bak")
        assert owed(workspace) == []

    def test_a_rejected_table_is_decided(self, workspace: Workspace) -> None:
        put(workspace, A)
        decide(workspace, owed(workspace), RejectedRecord)
        again = put(workspace, A)
        assert owed(workspace) == []
        assert record_about(workspace, again).outcome == "unchanged"
        fixed = put(workspace, B)
        assert owed_objects(workspace) == [fixed]

    def test_versions_of_all_other_keys_stay_apart(self, workspace: Workspace) -> None:
        odd = "iris/ä b+c%d.csv"
        version = put(workspace, A, odd)
        assert settle(workspace, key=odd) == [version]
        assert owed(workspace, key=odd) == []


class TestDeleted:
    def test_deleted_before_it_was_used_is_superseded(self, workspace: Workspace) -> None:
        version = put(workspace, A)
        workspace.store.delete(workspace.settings.bucket, KEY)
        assert owed(workspace) == []
        record = record_about(workspace, version)
        assert record.outcome == "superseded"
        assert record.reason.startswith("deleted")
        assert unaccounted_now(workspace) == []

    def test_back_from_deletion_is_owed_again(self, workspace: Workspace) -> None:
        version = put(workspace, A)
        workspace.store.delete(workspace.settings.bucket, KEY)
        owed(workspace)
        undelete(workspace, KEY)
        assert unaccounted_now(workspace) == [version]
        assert settle(workspace) == [version]
        assert owed(workspace) == []
        assert unaccounted_now(workspace) == []
        assert outcomes(workspace) == ["superseded", "trained"]

    def test_a_decision_survives_deletion_and_return(self, workspace: Workspace) -> None:
        put(workspace, A)
        settle(workspace)
        workspace.store.delete(workspace.settings.bucket, KEY)
        assert owed(workspace) == []
        undelete(workspace, KEY)
        assert owed(workspace) == []
        assert outcomes(workspace) == ["trained"]

    def test_back_from_deletion_of_a_newer_version(self, workspace: Workspace) -> None:
        """The newer version is deleted for good: the one before is current, and was superseded."""
        older = put(workspace, A)
        newer = put(workspace, B)
        owed(workspace)
        removal = [DeleteObject(KEY, newer.version_id)]
        assert list(workspace.store.admin.remove_objects(workspace.settings.bucket, removal)) == []
        assert settle(workspace) == [older]
        assert owed(workspace) == []


class TestVariants:
    def test_a_new_variant_owes_the_same_object_again(self, workspace: Workspace) -> None:
        version = put(workspace, A)
        settle(workspace)
        assert settle(workspace, "c2") == [version]
        assert owed(workspace, "c2") == []
        assert {record.variant for record in workspace.ledger.recent("training")} == {"c1", "c2"}

    def test_going_back_to_an_earlier_variant_owes_nothing(self, workspace: Workspace) -> None:
        put(workspace, A)
        settle(workspace)
        settle(workspace, "c2")
        assert owed(workspace) == []

    def test_the_same_bytes_under_a_new_variant_are_owed(self, workspace: Workspace) -> None:
        put(workspace, A)
        settle(workspace)
        again = put(workspace, A)
        assert settle(workspace, "c2") == [again]

    def test_of_many_keys_only_the_newest_is_owed_again(self, workspace: Workspace) -> None:
        for name in ("z", "y"):
            put(workspace, A + name.encode(), f"{INBOX}{name}.csv")
        settle(workspace, key=INBOX)
        next_second()
        newest = put(workspace, A, f"{INBOX}a.csv")
        settle(workspace, key=INBOX)
        assert settle(workspace, "c2", INBOX) == [newest]
        assert owed(workspace, "c2", INBOX) == []
        assert owed(workspace, "c1", INBOX) == []

    def test_with_something_newer_owed_nothing_old_is_owed_again(self, workspace: Workspace) -> None:
        put(workspace, A, f"{INBOX}z.csv")
        settle(workspace, key=INBOX)
        next_second()
        newer = put(workspace, B, f"{INBOX}a.csv")
        assert settle(workspace, "c2", INBOX) == [newer]
        assert owed(workspace, "c2", INBOX) == []

    def test_back_from_deletion_under_a_new_variant(self, workspace: Workspace) -> None:
        version = put(workspace, A)
        workspace.store.delete(workspace.settings.bucket, KEY)
        owed(workspace)
        undelete(workspace, KEY)
        assert settle(workspace, "c2") == [version]
        assert owed(workspace, "c2") == []


class TestPrefix:
    def test_every_key_is_owed_oldest_first(self, workspace: Workspace) -> None:
        first = put(workspace, A, f"{INBOX}z.csv")
        next_second()
        rest = [put(workspace, A, f"{INBOX}sub/{n:02}.csv") for n in range(20)]
        workspace.store.put(workspace.settings.bucket, "iris/elsewhere.csv", A, "text/csv")
        pending = owed_objects(workspace, key=INBOX)
        assert pending[0] == first
        assert {version.key for version in pending[1:]} == {version.key for version in rest}
        settle(workspace, key=INBOX)
        assert owed(workspace, key=INBOX) == []
        assert unaccounted_now(workspace, INBOX) == []

    def test_the_same_bytes_under_two_keys_are_two_objects(self, workspace: Workspace) -> None:
        both = [put(workspace, A, f"{INBOX}{name}.csv") for name in "ab"]
        assert len(settle(workspace, key=INBOX)) == len(both)

    def test_versions_below_a_prefix_are_superseded_by_key(self, workspace: Workspace) -> None:
        old, new = (put(workspace, data, f"{INBOX}a.csv") for data in (A, B))
        other = put(workspace, A, f"{INBOX}b.csv")
        assert set(map(str, settle(workspace, key=INBOX))) == {str(new), str(other)}
        assert owed(workspace, key=INBOX) == []
        assert record_about(workspace, old).outcome == "superseded"


class TestManyObjects:
    """What is decided already costs listings, and no read each."""

    @pytest.fixture
    def many(self, workspace: Workspace) -> Workspace:
        for number in range(30):
            put(workspace, A, f"{INBOX}{number:02}.csv")
        settle(workspace, key=INBOX)
        store = CountingStore(workspace.store)
        ledger = Ledger(store, workspace.settings.bucket, workspace.settings.platform_env)
        return replace(workspace, store=store, ledger=ledger)

    @staticmethod
    def reads(workspace: Workspace) -> list[str]:
        assert isinstance(workspace.store, CountingStore)
        return workspace.store.reads

    def test_a_look_at_decided_objects_reads_none(self, many: Workspace) -> None:
        assert owed(many, key=INBOX) == []
        assert unaccounted_now(many, INBOX) == []
        assert self.reads(many) == []

    def test_nor_does_one_with_a_new_variant(self, many: Workspace) -> None:
        assert len(owed(many, "c2", INBOX)) == 1
        assert self.reads(many) == []

    def test_one_that_returned_is_read_alone(self, many: Workspace) -> None:
        newest = put(many, B, f"{INBOX}00.csv")
        again = put(many, A, f"{INBOX}00.csv")
        settle(many, key=INBOX)
        assert record_about(many, newest).outcome == "superseded"
        self.reads(many).clear()
        remove = DeleteObject(again.key, again.version_id)
        assert list(many.store.admin.remove_objects(again.bucket, [remove])) == []
        assert unaccounted_now(many, INBOX) == [newest]
        assert owed_objects(many, key=INBOX) == [newest]
        assert {key.split("/")[4] for key in self.reads(many)} <= {newest.digest, *self.older(many)}
        assert len(self.reads(many)) < 10

    @staticmethod
    def older(many: Workspace) -> set[str]:
        listed = many.store.versions(many.settings.bucket, f"{INBOX}00.csv")
        return {item.object.digest for item in listed}


class TestUnversioned:
    def test_owed_once_and_again_when_overwritten(self, make_workspace: MakeWorkspace) -> None:
        workspace = make_workspace(versioned=False)
        first = put(workspace, A)
        assert settle(workspace) == [first]
        assert owed(workspace) == []
        next_second()
        second = put(workspace, B)
        assert unaccounted_now(workspace) == [second]
        assert settle(workspace) == [second]
        assert owed(workspace) == []

    def test_deleted_owes_nothing(self, make_workspace: MakeWorkspace) -> None:
        workspace = make_workspace(versioned=False)
        put(workspace, A)
        workspace.store.delete(workspace.settings.bucket, KEY)
        assert owed(workspace) == []


class TestTwoAtOnce:
    def test_each_record_is_written_once(self, workspace: Workspace) -> None:
        *older, _ = [put(workspace, f"a,b\n{n},0\n".encode()) for n in range(8)]
        decide(workspace, owed(workspace))
        start = Barrier(2)

        def look(_: int) -> list[ObjectVersion]:
            start.wait()
            return owed_objects(workspace)

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(look, range(2))) == [[], []]
        assert outcomes(workspace) == ["trained"] + ["superseded"] * len(older)
        records = workspace.store.versions(workspace.settings.bucket, "ledger/dev/training/")
        assert len(list(records)) == len(older) + 1
