"""What the page and `iris status` say was refused, and what is still to do about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from iris_core.ledger import Identity, Kind, Outcome, Record
from iris_core.ledger.identity import Variant
from iris_core.ledger.records.objects import (
    FailedRecord,
    RejectedRecord,
    ReopenedRecord,
    SupersededRecord,
    UnchangedRecord,
)
from iris_core.ledger.records.performance import MeasuredRecord
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.overview import overview
from iris_core.overview.reply import Reply
from iris_core.store.versions import ObjectVersion
from tests.long_past import in_memory
from tests.memory import MemoryStore
from tests.records import like

pytestmark = pytest.mark.unit

NOW = datetime.now(UTC)


def after(minutes: int) -> datetime:
    """So long after the first upload, an hour ago."""
    return NOW - timedelta(minutes=60 - minutes)


def told(*records: Record) -> Reply:
    """The reply to what was refused, once these decisions are recorded."""
    workspace = recorded(*records)
    [reply] = [one for one in overview(workspace, NOW).replies if one.question == "What was refused?"]
    return reply


def recorded(*records: Record) -> Workspace:
    workspace = in_memory(MemoryStore())
    for record in records:
        workspace.ledger.commit(record)
    return workspace


def about(what: type[Record], minute: int, table: str, at: int | None = None) -> Record:
    """A decision about a table that landed so many minutes after the first upload."""
    of_labels = what is MeasuredRecord or table.endswith("labels.csv")
    version = ObjectVersion(
        bucket="a-bucket", key=table, version_id=f"v{minute}", etag="e", size=1, landed_at=after(minute)
    )
    kind: Kind = "performance" if of_labels else "training"
    return like(
        what,
        identity=Identity.of_object(kind, version, "c1"),
        at=after(minute + 1 if at is None else at),
        inputs={"object": version},
    )


def test_what_failed_again_after_it_was_reopened_is_given_up() -> None:
    first = about(FailedRecord, 0, "train.csv")
    opened = like(
        ReopenedRecord, identity=first.identity.again(1), at=after(2), inputs={"object": first.about}
    )
    again = like(FailedRecord, identity=first.identity.again(2), at=after(3), inputs={"object": first.about})
    assert told(first, opened).tone == "good"
    assert told(first, opened, again).tone == "bad"
    refusals = overview(recorded(first, opened, again), NOW).refusals
    assert [(one.trace.record, one.is_open) for one in refusals] == [
        (again.identity.path, True),
        (first.identity.path, False),
    ]


@pytest.mark.parametrize("refused", [RejectedRecord, FailedRecord])
def test_a_refused_table_stays_to_be_corrected_until_another_one_is_used(refused: type[Record]) -> None:
    """Not by the same bytes again; and versions before the one that is used count for nothing."""
    first, used = about(refused, 0, "train.csv"), about(TrainedRecord, 20, "train.csv")
    same = about(UnchangedRecord, 10, "train.csv")
    between = about(SupersededRecord, 15, "train.csv", at=22)
    assert told(first, same).tone == "bad"
    corrected = told(first, same, used, between)
    assert (corrected.tone, corrected.todo) == ("note", "")


def test_the_version_before_a_refused_one_does_not_replace_it() -> None:
    assert (
        told(about(RejectedRecord, 10, "train.csv"), about(TrainedRecord, 5, "train.csv", at=12)).tone
        == "bad"
    )


def test_a_file_that_was_corrected_does_not_hide_one_that_was_not() -> None:
    other = about(RejectedRecord, 0, "a/labels.csv")
    reply = told(other, about(RejectedRecord, 10, "train.csv"), about(TrainedRecord, 20, "train.csv"))
    assert reply.trace
    assert (reply.tone, reply.trace.record) == ("bad", other.identity.path)
    mended = (about(MeasuredRecord, 30, "a/labels.csv"), about(MeasuredRecord, 40, "b/labels.csv"))
    assert told(other, *mended).tone == "note"


def test_a_model_that_the_gate_refused_is_told_of() -> None:
    refused = like(
        VerdictRecord,
        outcome=Outcome.REFUSED,
        identity=Identity("promotion", NOW.date(), "f" * 32, Variant("verdict")),
        at=after(5),
    )
    reply = told(refused)
    assert (reply.tone, reply.todo) == ("note", "")
    assert f"version {refused.model.version} was refused: {refused.reason}" in reply.sentence
