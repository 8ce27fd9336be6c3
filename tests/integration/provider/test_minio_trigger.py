"""The generic watcher of objects, against a real store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, NamedTuple

import pytest
from airflow.triggers.shared_stream import AdvanceItem, AdvanceOutcome, SharedStreamProducer

from iris_core.ledger.workspace import Workspace
from iris_core.store.objects import ObjectVersion
from iris_provider_minio.errors import ConnectionUnusable
from iris_provider_minio.hooks.minio import MinioHook
from iris_provider_minio.triggers.minio import MinioObjectTrigger
from tests.stored import StateStore

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def minio_connection(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection of the provider's own type."""
    access = workspace.store.access
    connection = {
        "conn_type": "minio",
        "login": access.access_key_id,
        "password": access.secret_access_key,
        "host": access.endpoint_url,
    }
    monkeypatch.setenv("AIRFLOW_CONN_MINIO_DEFAULT", json.dumps(connection))


class Stored(StateStore):
    """Also says whether a cursor knows so many objects."""

    def knows(self, number: int) -> bool:
        return any(len(json.loads(cursor)["known"]) >= number for cursor in self.state.values())


def put(workspace: Workspace, key: str, data: bytes = b"1") -> ObjectVersion:
    return workspace.store.put(workspace.settings.bucket, key, data, "text/csv")


def trigger(workspace: Workspace, state: Stored | None = None, **kwargs: Any) -> MinioObjectTrigger:
    made = MinioObjectTrigger(**{"bucket": workspace.settings.bucket, "ping_s": 1, **kwargs})
    made.asset_state_store = state  # type: ignore[assignment]
    return made


async def first(watcher: MinioObjectTrigger, number: int, state: Stored | None = None) -> list[str]:
    """The keys of the first objects; with a state, when its cursor has them."""
    keys: list[str] = []
    async with asyncio.timeout(30), aclosing(watcher.run()) as events:
        while len(keys) < number:
            event = await anext(events)
            keys += [told["key"] for told in event.payload["objects"]]
        following = asyncio.ensure_future(anext(events))
        while state is not None and not state.knows(number):
            await asyncio.sleep(0.05)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    return keys


class TestWhat:
    async def test_prefix_and_suffix_choose_and_folders_are_none(self, workspace: Workspace) -> None:
        for key in ("in/a.csv", "in/b.txt", "out/c.csv", "in/d.csv", "in/deep/e.csv", "in/f/"):
            put(workspace, key, b"" if key.endswith("/") else b"1")
        assert await first(trigger(workspace, prefix="in/", suffix=".csv"), 3) == [
            "in/a.csv",
            "in/d.csv",
            "in/deep/e.csv",
        ]

    async def test_an_event_tells_the_exact_version(self, workspace: Workspace) -> None:
        landed = put(workspace, "a.csv")
        async with asyncio.timeout(30), aclosing(trigger(workspace).run()) as events:
            [told] = (await anext(events)).payload["objects"]
        assert (told["event"], told["uri"], told["version_id"]) == ("created", landed.uri, landed.version_id)

    async def test_a_removal_is_told_where_it_is_wanted(self, workspace: Workspace) -> None:
        put(workspace, "a.csv")
        async with (
            asyncio.timeout(30),
            aclosing(trigger(workspace, events=["removed"], sweep_s=0.5).run()) as events,
        ):
            following = asyncio.ensure_future(anext(events))
            await asyncio.sleep(1)
            assert not following.done(), "nothing has been removed"
            workspace.store.admin.remove_object(workspace.settings.bucket, "a.csv")
            [told] = (await following).payload["objects"]
        assert (told["event"], told["key"]) == ("removed", "a.csv")

    def test_another_event_is_refused(self, workspace: Workspace) -> None:
        with pytest.raises(ValueError, match="'created' and 'removed', not \\['deleted'\\]"):
            trigger(workspace, events=["deleted"])
        with pytest.raises(ValueError, match="'created' and 'removed', not \\[\\]"):
            trigger(workspace, events=[])

    def test_the_same_events_in_another_order_are_the_same_trigger(self, workspace: Workspace) -> None:
        made = [
            trigger(workspace, events=events) for events in (["removed", "created"], ["created", "removed"])
        ]
        assert made[0].serialize() == made[1].serialize()

    async def test_what_was_there_is_left_out_where_that_is_wanted(self, workspace: Workspace) -> None:
        put(workspace, "before.csv")
        state = Stored()
        watcher = trigger(workspace, state, existing=False, sweep_s=0.5)
        async with asyncio.timeout(30), aclosing(watcher.run()) as events:
            following = asyncio.ensure_future(anext(events))
            while not state.knows(1):
                await asyncio.sleep(0.05)
            put(workspace, "after.csv")
            [told] = (await following).payload["objects"]
        assert told["key"] == "after.csv"

    async def test_what_lands_in_a_bucket_that_is_made_later_was_not_there(
        self, workspace: Workspace
    ) -> None:
        state = Stored()
        watcher = trigger(workspace, state, bucket="later", existing=False, sweep_s=0.5)
        async with asyncio.timeout(30), aclosing(watcher.run()) as events:
            following = asyncio.ensure_future(anext(events))
            while not state.state:
                await asyncio.sleep(0.05)
            workspace.store.ensure_bucket("later")
            workspace.store.put("later", "a.csv", b"1", "text/csv")
            [told] = (await following).payload["objects"]
        assert told["key"] == "a.csv"

    async def test_after_a_restart_only_what_came_meanwhile(self, workspace: Workspace) -> None:
        state = Stored()
        put(workspace, "a.csv")
        assert await first(trigger(workspace, state), 1, state) == ["a.csv"]
        put(workspace, "b.csv")
        assert await first(trigger(workspace, state, sweep_s=30.0), 1, state) == ["b.csv"]


class TestConfirmed:
    """Nothing but Airflow's confirmation lets the cursor pass an object."""

    async def test_what_airflow_did_not_store_is_told_again(self, workspace: Workspace) -> None:
        state = Stored()
        put(workspace, "a.csv")
        async with asyncio.timeout(30), played(trigger(workspace, state)) as (stream, events):
            told = await anext(events)
            await stream.advance([AdvanceItem(told.receipt, AdvanceOutcome(acked=0, failed=1))])
            await asyncio.sleep(2)
        assert not state.knows(1)
        async with asyncio.timeout(30), played(trigger(workspace, state)) as (stream, events):
            again = await anext(events)
            assert again.keys == told.keys == ["a.csv"]
            await stream.advance([AdvanceItem(again.receipt, AdvanceOutcome(acked=1, failed=0))])
            while not state.knows(1):
                await asyncio.sleep(0.05)
        put(workspace, "b.csv")
        assert await first(trigger(workspace, state), 1) == ["b.csv"]

    def test_a_stream_is_a_triggers_own(self, workspace: Workspace) -> None:
        one, other = trigger(workspace), trigger(workspace, name="other")
        assert one.shared_stream_key() == trigger(workspace).shared_stream_key() != other.shared_stream_key()


class Told(NamedTuple):
    keys: list[str]
    receipt: Any


@asynccontextmanager
async def played(
    watcher: MinioObjectTrigger,
) -> AsyncIterator[tuple[SharedStreamProducer, AsyncIterator[Told]]]:
    """A trigger and its stream, as Airflow's triggerer runs them: each raw event is handed to the filter."""
    stream = watcher.create_shared_stream_producer({})
    queue: asyncio.Queue[Any] = asyncio.Queue()

    async def raw() -> AsyncIterator[Any]:
        while True:
            yield await queue.get()

    async def told() -> AsyncGenerator[Told, None]:
        events = watcher.filter_shared_stream(raw())
        pairs = stream.open_stream()
        queue.put_nowait((await anext(pairs))[0])
        following = asyncio.ensure_future(anext(events))
        async for item, receipt in pairs:
            queue.put_nowait(item)
            yield Told([one["key"] for one in (await following).payload["objects"]], receipt)
            following = asyncio.ensure_future(anext(events))

    events = told()
    try:
        yield stream, events
    finally:
        await events.aclose()


class TestConnection:
    def test_the_button(self, workspace: Workspace) -> None:
        fine, told = MinioHook().test_connection()
        assert (fine, told.startswith("The store accepts the credentials")) == (True, True)

    @pytest.mark.parametrize(
        ("host", "says"),
        [
            ("http://127.0.0.1:1", "MaxRetryError"),
            ("", "needs login, password and"),
            ("http://127.0.0.1:99999", "should begin with http:// or https://"),
            ("s3://minio", "should begin with http:// or https://"),
        ],
    )
    def test_the_button_tells_what_is_wrong(
        self, host: str, says: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection = {"conn_type": "minio", "login": "a", "password": "b", "host": host}
        monkeypatch.setenv("AIRFLOW_CONN_MINIO_DEFAULT", json.dumps(connection))
        fine, told = MinioHook().test_connection()
        assert (fine, says in told) == (False, True), told

    async def test_an_address_without_a_scheme_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        extra = {"endpoint_url": "minio:9000"}
        connection = {"conn_type": "minio", "login": "a", "password": "b", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_MINIO_DEFAULT", json.dumps(connection))
        with pytest.raises(ConnectionUnusable, match="endpoint_url of connection minio_default should begin"):
            await MinioHook().aaccess()
