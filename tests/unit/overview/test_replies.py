"""What the page and `iris status` say of promised times, and of a model that somebody staged by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from iris_core.overview.replies import Reply, Seen, replies
from iris_core.overview.waiting import OwedNow, OwedObject
from iris_core.settings.variables import load_settings

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
