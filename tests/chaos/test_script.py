"""What a seed throws in."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from benchmarks.poison import MARKER
from iris_core.settings.project_files import load_project
from iris_core.store.versions import ObjectVersion
from tests.chaos import script
from tests.chaos.harness import Uploader

pytestmark = pytest.mark.unit

TABLE = load_project().table
COUNT = 12


def test_hostile_objects_come_on_top_from_the_seed() -> None:
    plain = list(script.uploads(TABLE, 1, 20))
    found = script.poisoned(TABLE, 1, plain, COUNT)
    assert found == script.poisoned(TABLE, 1, plain, COUNT)
    assert found != script.poisoned(TABLE, 2, plain, COUNT)
    hostile = [upload for upload in found if upload.hostile]
    assert len(hostile) == COUNT
    assert {upload.purpose for upload in hostile} == {"train", "test", "labels"}
    assert len({upload.hostile for upload in hostile}) > COUNT / 2
    assert not any(upload.is_sound for upload in hostile)
    assert [upload for upload in found[:-2] if not upload.hostile] == plain


def test_at_the_end_sound_labels_name_the_rows_of_a_sound_table() -> None:
    *_, scored, labels = script.poisoned(TABLE, 1, [], 1)
    assert scored.is_sound
    assert labels.is_sound
    assert (scored.purpose, labels.purpose) == ("test", "labels")
    assert scored.data
    assert labels.data
    ids = [line.rsplit(b",", 1)[1] for line in scored.data.splitlines()]
    assert [line.split(b",")[0] for line in labels.data.splitlines()] == ids
    assert len(set(ids)) == len(ids) > 30


def test_of_what_is_thrown_in_only_data_needs_a_record() -> None:
    said: list[str] = []
    uploader = Uploader(None, said.append)  # type: ignore[arg-type]
    landed = {
        kind: ObjectVersion(
            bucket="b", key=kind, version_id="1", etag="e", size=1, landed_at=datetime(2026, 1, 1, tzinfo=UTC)
        )
        for kind in (MARKER, "text.shaken")
    }
    for kind, version in landed.items():
        uploader._note(script.Upload("test", b"x", 0.0, hostile=kind), version)
    assert [*uploader.acknowledged] == [landed["text.shaken"].digest]
    assert uploader.poison == len(said) == 2


def test_without_hostile_objects_nothing_is_added() -> None:
    plain = list(script.uploads(TABLE, 1, 8))
    assert script.poisoned(TABLE, 1, plain, 0) == plain
    assert [upload.is_sound for upload in plain[-2:]] == [True, True]
