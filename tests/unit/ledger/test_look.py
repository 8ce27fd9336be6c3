"""What an event names, and what a run looks at because of its events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from iris_core.ledger.look import EVERYTHING, MOST_BYTES, SHOWN, Look, announced, look_of
from iris_core.ledger.source import Source
from iris_core.store.versions import ObjectVersion

IN = Source("a-bucket", "iris/in/")


def named(*names: str) -> tuple[str, dict[str, Any]]:
    return "inference_data", announced(names)


class TestAnnounced:
    def test_people_see_the_number_and_the_newest_first(self) -> None:
        told = announced(f"s3://a-bucket/{n}" for n in range(8))
        assert list(told) == ["objects", "newest", "others"]
        assert (told["objects"], told["newest"]) == (8, [f"s3://a-bucket/{n}" for n in range(3, 8)])
        assert told["others"] == [f"s3://a-bucket/{n}" for n in range(3)]

    def test_too_many_are_counted_and_not_named(self) -> None:
        many = [f"s3://a-bucket/{n:0100}" for n in range(MOST_BYTES // 100)]
        told = announced(many)
        assert told == {"objects": len(many), "newest": many[-SHOWN:]}
        assert look_of([("labels", told)], {"labels"}) == EVERYTHING


class TestLook:
    def test_events_that_airflow_puts_together_name_all_their_objects(self) -> None:
        names = [f"s3://a-bucket/iris/in/{n}.csv" for n in range(20)]
        look = look_of([named(*names[:9]), named(*names[5:])], {"inference_data"})
        assert look == Look(frozenset(names))
        assert look.keys(IN) == sorted(f"iris/in/{n}.csv" for n in range(20))

    @pytest.mark.parametrize(
        "content",
        [
            {},
            {"why": "notification", "objects": 1, "newest": ["s3://a-bucket/iris/in/a.csv"]},
            {"model": "a_model", "version": "3"},
            {"newest": "s3://a-bucket/iris/in/a.csv", "others": []},
            {"newest": None, "others": None},
        ],
        ids=["nothing", "an older Iris", "a model of an older Iris", "no list", "null"],
    )
    def test_one_event_without_all_names_is_enough_for_a_look_at_everything(self, content: Any) -> None:
        events = [named("s3://a-bucket/iris/in/a.csv"), ("elsewhere", content)]
        assert look_of(events, {"inference_data"}) == EVERYTHING

    def test_so_is_no_event(self) -> None:
        assert look_of([], {"inference_data"}) == EVERYTHING

    def test_events_of_other_assets_name_nothing_to_look_for(self) -> None:
        assert look_of([named("s3://a-bucket/iris/in/a.csv")], {"predictions"}) == Look(frozenset())

    def test_a_staged_model_is_an_event_of_its_own(self) -> None:
        look = look_of(
            [("staged_model", {"model": "a_model", **announced([])})], {"staged_model"}, "staged_model"
        )
        assert look == Look(frozenset(), is_model_new=True)

    @pytest.mark.parametrize(
        "name",
        [
            "s3://another-bucket/iris/in/a.csv",
            "s3://a-bucket/iris/elsewhere/a.csv",
            "s3://a-bucket/iris/in/_SUCCESS",
            "scoring/2026-11-01/0123/v1-abc",
            "",
        ],
    )
    def test_what_does_not_land_here_is_not_looked_at(self, name: str) -> None:
        assert Look(frozenset({name})).keys(IN) == []

    @pytest.mark.parametrize("key", ["iris/in/a b%3F#.csv", "iris/in/ä\t1?.csv ", "iris/in/a.csv"])
    def test_keys_come_back_as_they_are(self, key: str) -> None:
        version = ObjectVersion(
            bucket="a-bucket", key=key, version_id="v-1", etag="e", size=1, landed_at=datetime.now(UTC)
        )
        assert Look(frozenset({version.uri})).keys(IN) == [key]
