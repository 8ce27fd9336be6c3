"""What the page and `iris status` say of promised times, and of a model that somebody staged by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from iris_core.drift.thresholds import Severity
from iris_core.ledger import Identity, Record
from iris_core.ledger.records.drift import BatchDriftRecord, PerformanceDriftRecord
from iris_core.ledger.records.objects import RejectedRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.overview import overview
from iris_core.overview.drifting import DriftPoint
from iris_core.overview.replies import replies
from iris_core.overview.reply import Reply, Seen
from iris_core.overview.scorings import ScoredTable
from iris_core.overview.staged import StagedModel
from iris_core.overview.trace import Trace
from iris_core.overview.waiting import OwedNow, OwedObject
from iris_core.settings.variables import load_settings
from iris_core.store.versions import ObjectVersion
from tests.long_past import in_memory
from tests.memory import MemoryStore
from tests.records import like

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def told(waited: timedelta, **variables: str) -> list[Reply]:
    upload = OwedObject(kind="training", what="s3://b/iris/iris_train.csv", since=NOW - waited)
    owed = OwedNow(counts={"training": 1}, oldest=(upload,), is_complete=True)
    seen = Seen(staged=None, waiting=[], tables=[], points=[], refusals=[], owed=owed)
    return replies(load_settings(variables), seen, NOW)


def about_promise(found: list[Reply]) -> list[Reply]:
    return [one for one in found if one.question == "Is a verdict late?"]


def test_nothing_is_said_where_nothing_is_promised() -> None:
    assert about_promise(told(timedelta(days=1))) == []


def test_in_time() -> None:
    [reply] = about_promise(told(timedelta(minutes=14), VERDICT_WITHIN="15m"))
    assert (reply.tone, reply.todo) == ("good", "")


def test_late() -> None:
    found = told(timedelta(minutes=16), VERDICT_WITHIN="15m")
    [reply] = about_promise(found)
    assert reply.tone == "bad"
    assert reply.sentence == (
        "Yes: s3://b/iris/iris_train.csv has waited since 2026-11-26 11:44 UTC; promised: 15m."
    )
    assert found[-1].steps[0] == reply.todo


@pytest.mark.parametrize("by_hand", [0, 7])
def test_a_model_that_was_staged_by_hand_before_any_decision(by_hand: int) -> None:
    batch = OwedObject(kind="scoring", what="s3://b/iris/iris_test.csv", since=NOW - timedelta(days=1))
    owed = OwedNow(counts={"scoring": 1}, oldest=(batch,), is_complete=True)
    seen = Seen(staged=None, waiting=[], tables=[], points=[], refusals=[], owed=owed, by_hand=by_hand)
    staged, scored, *_ = replies(load_settings({}), seen, NOW)
    if by_hand:
        assert staged.sentence.startswith("Version 7: somebody staged it in MLflow by hand, and it scores.")
        assert scored.sentence.startswith("Not yet: One table waits, the oldest, s3://b/iris/iris_test.csv")
    else:
        assert staged.sentence == "Nothing is staged yet."
        assert scored.sentence == "A table waits, but no model is staged."


def landed(what: type[Record], minute: int, key: str = "in/today.csv") -> Record:
    """A decision, half an hour later, about a table that landed so many minutes after eleven."""
    version = ObjectVersion(
        bucket="a-bucket",
        key=key,
        version_id=f"v{minute}",
        etag="e",
        size=1,
        landed_at=NOW - timedelta(minutes=60 - minute),
    )
    identity = Identity.of_object("scoring", version, like(ScoredRecord).model.variant)
    at = NOW - timedelta(minutes=30 - minute)
    return like(what, identity=identity, at=at, inputs={"object": version})


def answer(question: str, *records: Record) -> Reply:
    workspace = in_memory(MemoryStore())
    for record in records:
        workspace.ledger.commit(record)
    [reply] = [one for one in overview(workspace, NOW).replies if one.question == question]
    return reply


@pytest.mark.parametrize("key", ["in/today.csv", "in/other.csv"])
def test_data_that_was_rejected_after_the_last_scoring_was_not_scored(key: str) -> None:
    scored, rejected = landed(ScoredRecord, 1), landed(RejectedRecord, 2, key)
    question = "Was the newest data scored?"
    assert scored.about
    assert rejected.about
    told = answer(question, scored, rejected)
    assert told.tone == "note"
    assert told.sentence == (
        f"No: {rejected.about.uri} was rejected. The one before it that was scored: {scored.about.uri}, "
        f"with version {like(ScoredRecord).model.version}."
    )
    assert answer(question, rejected, landed(ScoredRecord, 3, key)).sentence.startswith("Yes: ")


def drawn(severity: Severity, version: int, *, is_about_performance: bool, minute: int) -> DriftPoint:
    sample = like(PerformanceDriftRecord if is_about_performance else BatchDriftRecord)
    trace = Trace.of(sample).model_copy(update={"at": NOW - timedelta(minutes=60 - minute)})
    return DriftPoint(
        trace=trace,
        severity=severity,
        is_about_performance=is_about_performance,
        version=version,
        columns=(),
    )


def staged(version: int, aliased: int | None = None) -> StagedModel:
    trace = Trace.of(like(ScoredRecord))
    return StagedModel(
        name="m",
        version=version,
        mlflow_run="",
        trace=trace,
        verdict=None,
        training=None,
        rows=None,
        measured=None,
        aliased=aliased,
    )


NOTHING = OwedNow(counts={}, oldest=(), is_complete=True)


def test_drift_is_that_of_the_version_that_scores_once_it_was_judged() -> None:
    old = drawn("high", 1, is_about_performance=True, minute=1)
    new = drawn("none", 2, is_about_performance=False, minute=2)
    for points, severity in (([old], "High"), ([new, old], "None")):
        seen = Seen(staged(2), [], [], points, [], NOTHING)
        drifting = replies(load_settings({}), seen, NOW)[2]
        assert drifting.sentence.startswith(severity)


def scored(version: int, minute: int) -> ScoredTable:
    trace = Trace.of(landed(ScoredRecord, 1)).model_copy(update={"at": NOW - timedelta(minutes=20 - minute)})
    return ScoredTable(
        trace=trace,
        version=version,
        rows=1,
        rejected=0,
        faults=(),
        classes={},
        accuracy=None,
        seconds=None,
        predictions="",
        rejects="",
        manifest="",
    )


@pytest.mark.parametrize("model", [staged(7), staged(1, aliased=7)])
def test_the_version_that_scores_has_scored_it(model: StagedModel) -> None:
    """Also before another one did, as before a rollback, or by an alias that was moved by hand."""
    for tables in ([scored(7, 1)], [scored(8, 2), scored(7, 1)]):
        reply = replies(load_settings({}), Seen(model, [], tables, [], [], NOTHING), NOW)[1]
        assert (reply.tone, reply.sentence.endswith("with version 7: 1 row.")) == ("good", True)
    reply = replies(load_settings({}), Seen(model, [], [scored(8, 2)], [], [], NOTHING), NOW)[1]
    assert reply.sentence.endswith("Version 7, which is staged now, has not scored it yet.")
