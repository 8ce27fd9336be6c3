"""Places: what the pipelines write is nothing that they watch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_core.errors import ConfigError
from iris_core.settings.places import Place, watched, written
from iris_core.settings.variables import load_settings

pytestmark = pytest.mark.unit

KEPT = ("ledger/", "checkpoints/", "audit/", "quarantine/", "profiles/", "work/", "rejects/", "manifests/")
WATCHED = ("TEAM_S3_TRAIN_KEY", "TEAM_S3_TEST_KEY", "TEAM_S3_LABELS_PREFIX")
PUBLISHED = ("TEAM_PREDICTIONS_PREFIX", "TEAM_DRIFT_PREFIX")


def refused(**environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ)
    return str(caught.value)


def place(key: str, bucket: str = "b") -> Place:
    return Place("x", bucket, key)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a/", "a/", True),
        ("a/", "a/b.csv", True),
        ("a/", "a/b/", True),
        ("a.csv", "a.csv", True),
        ("a.csv", "a.csv.gz", False),
        ("a", "a/", True),
        ("a", "a/b.csv", True),
        ("a", "ab/", False),
        ("a/", "ab/", False),
        ("a/b/", "b/", False),
    ],
)
def test_overlaps_either_way_round(one: str, other: str, expected: bool) -> None:
    assert place(one).overlaps(place(other)) is expected
    assert place(other).overlaps(place(one)) is expected
    assert not place(one).overlaps(place(other, bucket="c"))


@given(st.text("ab/", min_size=1), st.text("ab/", min_size=1), st.text("ab/", min_size=1))
def test_a_key_that_both_hold_is_an_overlap(one: str, other: str, key: str) -> None:
    places = place(one), place(other)
    if all(found._holds(key) for found in places):
        assert places[0].overlaps(places[1])


@pytest.mark.parametrize("prefix", KEPT)
@pytest.mark.parametrize("rest", ["", "dev/", "dev/today.csv"])
@pytest.mark.parametrize("variable", [*WATCHED, "TEAM_S3_KEY", *PUBLISHED])
def test_nothing_that_the_pipelines_keep_is_watched_or_published_over(
    variable: str, prefix: str, rest: str
) -> None:
    message = refused(**{variable: f"{prefix}{rest}"})
    assert prefix in message or "TEAM_S3_" in message
    assert message.startswith(variable)


@pytest.mark.parametrize("variable", WATCHED[1:])
@pytest.mark.parametrize("key", ["iris/predictions/", "iris/drift/"])
def test_nor_what_they_publish(variable: str, key: str) -> None:
    assert f"({key})" in refused(**{variable: key})


@pytest.mark.parametrize("variable", PUBLISHED)
def test_nothing_is_published_where_uploads_land(variable: str) -> None:
    assert f"overlaps with {variable} (iris/)" in refused(**{variable: "iris"})


@pytest.mark.parametrize("key", ["iris", "ledger", "iris/predictions"])
def test_no_upload_hides_what_is_below_its_key(key: str) -> None:
    assert refused(TEAM_S3_TRAIN_KEY=key).partition(" overlaps")[0] in (
        f"TEAM_S3_TRAIN_KEY={key}",
        "TEAM_S3_TEST_KEY=iris/iris_test.csv",
    )


def test_uploads_have_a_place_each() -> None:
    same = {"TEAM_S3_TRAIN_KEY": "in/a.csv", "TEAM_S3_TEST_KEY": "in/a.csv"}
    assert refused(**same).startswith("TEAM_S3_TEST_KEY=in/a.csv overlaps with TEAM_S3_TRAIN_KEY")


def test_another_buckets_keys_are_no_overlap() -> None:
    settings = load_settings(
        {
            "TEAM_S3_TEST_KEY": "work/",
            "TEAM_PREDICTIONS_BUCKET": "other",
            "TEAM_DRIFT_BUCKET": "other",
        }
    )
    assert settings.test_key == "work/"


def test_the_default_places_are_apart() -> None:
    settings = load_settings({})
    assert [found.key for found in watched(settings)] == [
        "iris/iris_train.csv",
        "iris/iris_test.csv",
        "iris/labels/",
    ]
    assert {found.key for found in written(settings)} == {*KEPT, "iris/predictions/", "iris/drift/"}
