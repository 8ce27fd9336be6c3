"""What full looks do while they wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from iris_airflow.triggers.watch import told
from iris_core.ledger.look import EVERYTHING, look_of
from iris_core.ledger.source import Source
from iris_core.settings.variables import load_settings
from iris_core.store.versions import ObjectVersion
from iris_provider_minio.cursor import Cursor, Rhythm
from iris_provider_minio.stream import Signal
from iris_provider_minio.watch import Watch
from tests.chaos import holding, looks

pytestmark = pytest.mark.unit

SOURCE = Source("bucket", "in/")


def version(name: str) -> ObjectVersion:
    return ObjectVersion(
        bucket=SOURCE.bucket,
        key=f"in/{name}.csv",
        version_id="1",
        etag="e",
        size=1,
        landed_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


async def signals() -> AsyncIterator[Signal]:
    yield Signal("subscribed")
    await asyncio.sleep(0.1)
    yield Signal("landed", version("told"))
    await asyncio.sleep(3600)


async def no_save(_: Cursor) -> None:
    """Keep nothing."""


async def said(held: Path) -> list[dict[str, Any]]:
    """The first announcement, and the next one once nothing is held any more."""
    watch = Watch(
        SOURCE,
        lambda: iter([version("missed")]),
        Cursor(),
        no_save,
        told,
        Rhythm(sweep_s=0.1, sweep_when_down_s=0.1),
    )
    announcements = watch.announcements(signals())
    first = await anext(announcements)
    held.unlink(missing_ok=True)
    found = [first, await anext(announcements)]
    await announcements.aclose()
    return found


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("_listed", "_tell"):
        monkeypatch.setattr(Watch, name, getattr(Watch, name))
    file = tmp_path / "held"
    holding.install(str(file))
    return file


def test_a_held_watch_lists_nothing_and_names_what_it_is_told(held: Path) -> None:
    held.touch()
    first, then = asyncio.run(said(held))
    assert (first["why"], first["newest"], first["others"]) == ("notification", [version("told").uri], [])
    assert (then["why"], then["newest"]) == ("listing", [version("missed").uri])


def test_a_watch_that_is_not_held_begins_with_a_full_look(held: Path) -> None:
    first, _ = asyncio.run(said(held))
    assert first["why"] == "listing"
    assert "others" not in first


def test_events_that_ask_for_a_full_look_are_found() -> None:
    named: dict[str, Any] = {"objects": 1, "newest": ["a"], "others": []}
    partly: dict[str, Any] = {"objects": 9, "newest": ["a"]}
    contents = [named, partly, {}]
    assert [look_of([("data", each)], ["data"]) is EVERYTHING for each in contents] == [False, True, True]
    extras = [*contents, *({"payload": each, "from_trigger": True} for each in contents)]
    events = [{"id": number, "name": "data", "extra": extra} for number, extra in enumerate(extras)]
    assert [told.split()[1] for told in looks.unnamed(events)] == ["1", "2", "4", "5"]


@pytest.mark.parametrize("chosen", looks.Looks)
def test_the_stack_gets_a_value_that_the_variable_has(chosen: looks.Looks) -> None:
    expected = "everything" if chosen == "everything" else "named"
    assert load_settings(chosen.variables).looks == expected
