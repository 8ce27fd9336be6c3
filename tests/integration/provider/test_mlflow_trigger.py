"""The generic watcher of an alias, against a server that answers as MLflow's registry does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web
from airflow.triggers.base import TriggerEvent
from airflow.triggers.shared_stream import AdvanceItem, AdvanceOutcome

from iris_provider_minio.errors import ConnectionUnusable
from iris_provider_minio.hooks.mlflow import MlflowHook
from iris_provider_minio.triggers.mlflow_alias import MlflowAliasTrigger
from tests.stored import StateStore

pytestmark = pytest.mark.integration


class Registry:
    """MLflow's endpoint for aliases; `version` is what the alias names."""

    def __init__(self) -> None:
        self.version: int | None = None
        self.asked: list[dict[str, str]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        if self.version is None:
            return web.json_response({"error_code": "INVALID_PARAMETER_VALUE"}, status=400)
        tags = [{"key": "by", "value": "hand"}]
        named = {"name": "m", "version": str(self.version), "run_id": "r", "source": "s", "tags": tags}
        return web.json_response({"model_version": named})


@pytest.fixture
async def registry(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Registry]:
    made, app = Registry(), web.Application()
    app.router.add_get("/api/2.0/mlflow/registered-models/alias", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    connection = {"conn_type": "mlflow", "host": "127.0.0.1", "port": runner.addresses[0][1]}
    monkeypatch.setenv("AIRFLOW_CONN_MLFLOW_DEFAULT", json.dumps(connection))
    yield made
    await runner.cleanup()


def trigger(state: StateStore | None = None, **kwargs: Any) -> MlflowAliasTrigger:
    made = MlflowAliasTrigger(**{"model": "m", "alias": "live", "poll_s": 0.02, **kwargs})
    made.asset_state_store = state  # type: ignore[assignment]
    return made


async def told(events: AsyncIterator[TriggerEvent]) -> str:
    async with asyncio.timeout(20):
        return str((await anext(events)).payload["version"])


async def test_each_version_is_told_once_with_what_it_is(registry: Registry) -> None:
    registry.version = 3
    async with aclosing(trigger().run()) as events:
        assert (await anext(events)).payload == {
            "model": "m",
            "alias": "live",
            "version": "3",
            "run_id": "r",
            "source": "s",
            "tags": {"by": "hand"},
            "model_uri": "models:/m/3",
        }
        following = asyncio.ensure_future(told(events))
        await asyncio.sleep(0.3)
        assert not following.done()
        registry.version = 2
        assert await following == "2"
    assert registry.asked[0] == {"name": "m", "alias": "live"}


async def test_after_a_restart_only_another_version_is_told(registry: Registry) -> None:
    state = StateStore()
    registry.version = 3
    async with asyncio.timeout(20), aclosing(trigger(state).run()) as events:
        assert await told(events) == "3"
        following = asyncio.ensure_future(told(events))
        while not state.state:
            await asyncio.sleep(0.02)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    async with aclosing(trigger(state).run()) as events:
        following = asyncio.ensure_future(told(events))
        await asyncio.sleep(0.3)
        assert not following.done()
        registry.version = 4
        assert await following == "4"


async def test_what_the_alias_named_at_first_is_left_out_where_that_is_wanted(registry: Registry) -> None:
    registry.version = 3
    async with aclosing(trigger(existing=False).run()) as events:
        following = asyncio.ensure_future(told(events))
        await asyncio.sleep(0.3)
        registry.version = 4
        assert await following == "4"


async def test_where_it_named_none_at_first_the_first_version_is_told(registry: Registry) -> None:
    state = StateStore()
    async with asyncio.timeout(20), aclosing(trigger(state, existing=False).run()) as events:
        following = asyncio.ensure_future(told(events))
        while not state.state:
            await asyncio.sleep(0.02)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    registry.version = 4
    async with aclosing(trigger(state, existing=False).run()) as events:
        assert await told(events) == "4"


async def test_the_cursor_waits_for_airflows_confirmation(registry: Registry) -> None:
    state = StateStore()
    registry.version = 3
    source = await trigger(state).source()
    async with asyncio.timeout(20), aclosing(source.payloads()) as payloads:
        _, receipt = await anext(payloads)
        following = asyncio.ensure_future(anext(payloads))
        await asyncio.sleep(0.3)
        assert state.state == {}
        stream = MlflowAliasTrigger.create_shared_stream_producer({})
        stream._source = source  # type: ignore[attr-defined]
        await stream.advance([AdvanceItem(receipt, AdvanceOutcome(acked=0, failed=1))])
        await asyncio.sleep(0.3)
        assert state.state == {}
        await stream.advance([AdvanceItem(receipt, AdvanceOutcome(acked=1, failed=0))])
        while not state.state:
            await asyncio.sleep(0.02)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


class TestConnection:
    def test_without_one_mlflows_variables_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {
            "MLFLOW_TRACKING_URI": "https://m",
            "MLFLOW_TRACKING_USERNAME": "u",
            "MLFLOW_TRACKING_PASSWORD": "secret-p",
        }.items():
            monkeypatch.setenv(name, value)
        access = MlflowHook().access()
        assert (access.tracking_uri, access.login) == ("https://m", ("u", "secret-p"))
        assert "secret-p" not in repr(access)

    def test_with_neither_it_says_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with pytest.raises(ConnectionUnusable, match="AIRFLOW_CONN_MLFLOW_DEFAULT="):
            MlflowHook().access()

    def test_the_button_tells_what_is_wrong(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(
            "AIRFLOW_CONN_MLFLOW_DEFAULT", '{"conn_type": "mlflow", "host": "127.0.0.1", "port": 1}'
        )
        assert MlflowHook().test_connection()[0] is False
