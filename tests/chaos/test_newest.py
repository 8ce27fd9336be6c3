"""The audit's look at what is newest: right is left alone, and whatever is wrong is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from iris_core.ledger import Identity, Outcome
from iris_core.ledger.records.objects import FailedRecord, ObjectRecord, RejectedRecord, UnchangedRecord
from iris_core.ledger.records.objects import SupersededRecord as Superseded
from iris_core.ledger.records.promotion import PromotionRecord, RollbackRecord, VerdictRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.models.registry import reference_of
from iris_core.store.versions import ListedVersion, ObjectVersion
from tests.chaos.newest import Newest, newest_of_key, wrong_scoring, wrong_staging
from tests.records import like

pytestmark = pytest.mark.unit

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
SOUND = frozenset("ab")
MODEL = reference_of("m", 2, "r2", {})


def version(number: int, etag: str, key: str = "k") -> ObjectVersion:
    landed = BEGIN + timedelta(minutes=number)
    return ObjectVersion(
        bucket="a-bucket", key=key, version_id=f"v{number}", etag=etag, size=1, landed_at=landed
    )


def about(what: type[ObjectRecord], of: ObjectVersion, minute: int) -> ObjectRecord:
    """A record about a version, decided so many minutes after everything had landed."""
    identity = Identity.of_object("training", of, "c1")
    at = BEGIN + timedelta(hours=1, minutes=minute)
    return like(what, identity=identity, inputs={"object": of}, at=at)


def looked(contents: str, *records: tuple[int, type[ObjectRecord]], hidden: bool = False) -> Newest:
    """Versions with these contents, oldest first, and what was decided about them, in this order."""
    versions = [version(number, etag) for number, etag in enumerate(contents)]
    decided: dict[str, list[ObjectRecord]] = {}
    for minute, (number, what) in enumerate(records):
        record = about(what, versions[number], minute)
        decided.setdefault(record.subject, []).append(record)
    listed = [
        ListedVersion.of(one, number == 0 and not hidden) for number, one in enumerate(reversed(versions))
    ]
    return newest_of_key(listed, decided, SOUND)


class TestAKey:
    @pytest.mark.parametrize(
        ("contents", "records"),
        [
            ("a", [(0, TrainedRecord)]),
            ("ab", [(0, TrainedRecord), (1, TrainedRecord)]),
            ("ab", [(1, TrainedRecord), (0, Superseded)]),
            ("ab", [(1, TrainedRecord), (0, TrainedRecord)]),
            ("ax", [(0, TrainedRecord), (1, RejectedRecord)]),
            ("ax", [(1, FailedRecord), (0, TrainedRecord)]),
            ("aa", [(0, TrainedRecord), (1, UnchangedRecord)]),
            ("axx", [(0, TrainedRecord), (1, RejectedRecord), (2, UnchangedRecord)]),
            ("aba", [(0, TrainedRecord), (1, TrainedRecord), (2, UnchangedRecord), (2, TrainedRecord)]),
        ],
    )
    def test_is_right_where_the_newest_sound_content_was_used_last(
        self, contents: str, records: Sequence[tuple[int, type[ObjectRecord]]]
    ) -> None:
        found = looked(contents, *records)
        assert found.wrong == ""
        assert found.version
        assert found.made
        assert found.version.etag == found.made.about.etag == contents.rstrip("x")[-1]

    @pytest.mark.parametrize(
        ("contents", "records", "told"),
        [
            ("ab", [(0, TrainedRecord), (1, RejectedRecord)], "v0 was used last, the newest sound .*v1"),
            ("ab", [(0, TrainedRecord), (1, FailedRecord)], "v0 was used last, the newest sound .*v1"),
            ("ab", [(0, TrainedRecord), (1, Superseded)], "v0 was used last, the newest sound .*v1"),
            ("ab", [(0, TrainedRecord)], "v0 was used last, the newest sound .*v1"),
            ("aba", [(0, TrainedRecord), (1, TrainedRecord), (2, UnchangedRecord)], "v1 was used last"),
            ("a", [(0, RejectedRecord)], "nothing was used, the newest sound content .*v0"),
            ("ax", [(0, TrainedRecord), (1, Superseded)], "nothing stands about .*v1"),
            ("ax", [(0, TrainedRecord)], "nothing stands about .*v1"),
            ("abx", [(0, TrainedRecord), (2, RejectedRecord)], "v0 was used last, .*v1"),
        ],
    )
    def test_is_wrong_where_it_was_not(
        self, contents: str, records: Sequence[tuple[int, type[ObjectRecord]]], told: str
    ) -> None:
        found = looked(contents, *records)
        assert re.search(told, found.wrong), found

    def test_that_is_deleted_has_nothing_newest(self) -> None:
        assert looked("ab", (0, TrainedRecord), hidden=True) == Newest()

    def test_that_holds_nothing_sound_has_nothing_newest(self) -> None:
        assert looked("xx", (0, RejectedRecord), (1, FailedRecord)) == Newest()

    def test_a_hostile_object_of_which_something_was_made_is_sound(self) -> None:
        assert looked("ax", (0, TrainedRecord), (1, TrainedRecord)).version == version(1, "x")
        assert looked("axa", (0, TrainedRecord), (1, TrainedRecord), (2, UnchangedRecord)).wrong


def verdict(what: type[PromotionRecord], run: str, landed: int, minute: int, **given: Any) -> PromotionRecord:
    """A decision about the model of a run whose data landed then."""
    inputs = {
        "version": int(run[1:]),
        "run_id": run,
        "landed_at": BEGIN + timedelta(minutes=landed),
        "trained_at": BEGIN + timedelta(minutes=landed),
    }
    made = like(what, inputs=inputs, at=BEGIN + timedelta(hours=1, minutes=minute), **given)
    return made.model_copy(update={"identity": Identity.of_verdict(run, BEGIN)})


def trained(run: str, number: int) -> TrainedRecord:
    of = version(number, "a")
    return like(TrainedRecord, inputs={"object": of}, outputs={"run_id": run})


def promoted(run: str, landed: int, minute: int = 0) -> PromotionRecord:
    return verdict(VerdictRecord, run, landed, minute, outcome=Outcome.PROMOTED)


class TestTheStagedModel:
    def test_is_right_where_it_comes_from_the_newest(self) -> None:
        decided = [promoted("r1", 1), promoted("r2", 2)]
        assert wrong_staging(trained("r2", 2), decided, MODEL) == []
        assert wrong_staging(None, [], None) == []

    def test_whatever_was_approved_later_of_older_data(self) -> None:
        decided = [promoted("r1", 1, minute=9), promoted("r2", 2, minute=1)]
        assert wrong_staging(trained("r2", 2), decided, MODEL) == []

    @pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.SUPERSEDED])
    def test_may_be_older_where_the_newest_was_refused(self, outcome: Outcome) -> None:
        refused = verdict(VerdictRecord, "r3", 3, 0, outcome=Outcome.PROMOTED)
        refused = refused.model_copy(update={"outcome": outcome})
        assert wrong_staging(trained("r3", 3), [promoted("r2", 2), refused], MODEL) == []

    def test_may_be_older_where_a_human_is_asked_or_went_back(self) -> None:
        # The fixture's ledger has no request: its verdict stands for one.
        asked = promoted("r3", 3).model_copy(update={"outcome": Outcome.ASKED})
        assert wrong_staging(trained("r3", 3), [promoted("r2", 2), asked], MODEL) == []
        back = verdict(RollbackRecord, "r2", 2, 5)
        assert wrong_staging(trained("r3", 3), [promoted("r3", 3), back], MODEL) == []
        again = promoted("r4", 4, minute=9)
        assert wrong_staging(trained("r4", 4), [promoted("r3", 3), back, again], MODEL) != []

    def test_is_wrong_where_another_is_wanted(self) -> None:
        decided = [promoted("r2", 2), promoted("r3", 3)]
        assert wrong_staging(trained("r3", 3), decided, MODEL) == ["staged is 2, wanted 3"]
        assert wrong_staging(trained("r3", 3), decided, None) == ["staged is None, wanted 3"]

    def test_is_wrong_where_the_newest_has_no_verdict(self) -> None:
        [told] = wrong_staging(trained("r3", 3), [promoted("r2", 2)], MODEL)
        assert "has no verdict" in told


def scored(of: ObjectVersion, with_version: int) -> ScoredRecord:
    model = reference_of("m", with_version, f"r{with_version}", {})
    return like(ScoredRecord, inputs={"object": of, "model": model})


class TestTheNewestInferenceData:
    def test_is_right_where_it_is_scored_with_what_is_staged(self) -> None:
        old, new = version(1, "a"), version(2, "b", "other")
        assert wrong_scoring([old, new], [scored(old, 1), scored(new, 2)], MODEL) == []
        same = version(9, "b", "other")
        assert wrong_scoring([same], [scored(new, 2)], MODEL) == []
        assert wrong_scoring([new], [], None) == []

    def test_is_wrong_where_only_an_older_model_or_object_was(self) -> None:
        old, new = version(1, "a"), version(2, "b", "other")
        [told] = wrong_scoring([old, new], [scored(old, 2), scored(new, 1)], MODEL)
        assert "other?versionId=v2 is not scored with version 2" in told

    def test_of_some_that_landed_in_one_second_one_will_do(self) -> None:
        one, two = version(2, "a"), version(2, "b", "other")
        assert wrong_scoring([one, two], [scored(one, 2)], MODEL) == []
        assert len(wrong_scoring([one, two], [scored(one, 1)], MODEL)) == 1
