"""The cursor of a watcher of objects: bounded, and never ahead of what has been announced."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_provider_minio import announced
from iris_provider_minio.announced import Announced
from iris_provider_minio.versions import ObjectVersion

pytestmark = pytest.mark.unit

START = 1_800_000_000


def version(number: int, landed: int) -> ObjectVersion:
    return ObjectVersion(
        bucket="b",
        key=f"{number}.csv",
        version_id=f"v{number}",
        etag="e",
        size=1,
        landed_at=datetime.fromtimestamp(START + landed, UTC),
    )


def restarted(cursor: Announced) -> Announced:
    found = Announced.parse(json.loads(json.dumps(cursor.dump())))
    assert found is not None
    return found


def test_what_was_noted_is_not_new_after_a_restart_and_everything_else_is() -> None:
    cursor = Announced()
    cursor.note(version(1, 0))
    again = restarted(cursor)
    assert not again.is_new(version(1, 0))
    assert again.is_new(version(2, 0))


def test_a_version_that_becomes_visible_late_is_new_within_the_hour() -> None:
    cursor = Announced()
    cursor.note(version(1, 7200))
    assert cursor.settle(START + 7200)
    assert cursor.is_new(version(2, 3600))
    assert not cursor.is_new(version(3, 3599))


@pytest.mark.parametrize("stored", [None, {}, [], {"floor": "x", "known": {}}, {"floor": 0, "known": []}])
def test_what_no_cursor_wrote_is_none(stored: object) -> None:
    assert Announced.parse(stored) is None


@given(
    landed=st.lists(st.integers(0, 20_000), min_size=1, max_size=40),
    noted=st.sets(st.integers(0, 39)),
    remembered=st.integers(1, 10),
)
def test_settling_loses_nothing_that_a_listing_has_shown(
    landed: list[int], noted: set[int], remembered: int
) -> None:
    """Whatever was announced, and in whichever order: what was not stays new, over a restart, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(announced, "REMEMBERED", remembered)
        versions = [version(number, at) for number, at in enumerate(landed)]
        cursor = Announced()
        for number in noted & set(range(len(versions))):
            cursor.note(versions[number])
        owed = [one for one in versions if cursor.is_new(one)]
        times = [one.landed_at.timestamp() for one in owed or versions]
        cursor.settle(min(times) if owed else max(times))
        assert [one for one in versions if cursor.is_new(one)] == owed
        again = restarted(cursor)
        assert all(again.is_new(one) for one in owed)
        assert len(again.known) <= remembered
