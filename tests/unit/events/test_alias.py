"""The alias, polled: a change is told once, trouble is said once, what the pipeline staged is left to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import encode_basic_auth, web

from iris_core.events.alias import AliasPoll, Staged, unscored
from iris_core.ledger import Identity, ModelRef
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.workspace import Workspace
from iris_core.scoring import inference_source
from tests.records import like

pytestmark = pytest.mark.integration

MODEL = ModelRef(name="m", version=3, run_id="0123456789abcdef", training="training/2026-11-23/s/c1")
MISSING = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST"})


def named(version: int, **tags: str) -> tuple[int, dict[str, Any]]:
    """MLflow's answer when the alias names a version."""
    listed = [{"key": key.replace("__", "."), "value": value} for key, value in tags.items()]
    return 200, {
        "model_version": {"name": "m", "version": str(version), "run_id": f"r{version}", "tags": listed}
    }


@dataclass
class Registry:
    """MLflow's endpoint for aliases, as far as a poll sees it."""

    answer: tuple[int, Any] = MISSING
    asked: list[dict[str, str]] = field(default_factory=list)
    logins: list[str | None] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        self.logins.append(request.headers.get("Authorization"))
        status, body = self.answer
        if isinstance(body, str):
            return web.Response(status=status, text=body)
        return web.json_response(body, status=status)

    @asynccontextmanager
    async def polled(self, login: tuple[str, str] | None = None) -> AsyncIterator[tuple[AliasPoll, Any]]:
        app = web.Application()
        app.router.add_get("/api/2.0/mlflow/registered-models/alias", self.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        poll = AliasPoll(f"http://127.0.0.1:{port}", "m", poll_s=0.01, login=login)
        try:
            async with aclosing(poll.signals()) as signals:
                yield poll, signals
        finally:
            await runner.cleanup()


async def until(signals: Any, kind: str) -> None:
    async with asyncio.timeout(10):
        async for signal in signals:
            if signal.kind == kind:
                return


class TestPoll:
    async def test_a_change_is_told_once(self) -> None:
        registry = Registry(named(3))
        async with registry.polled() as (poll, signals):
            assert (await anext(signals)).kind == "subscribed"
            assert (await anext(signals)).kind == "tick"
            assert poll.staged is not None
            assert poll.staged.model.version == 3
            registry.answer = named(2)
            await until(signals, "subscribed")
            assert poll.staged.model.version == 2
            assert (await anext(signals)).kind == "tick"
        assert registry.asked[0] == {"name": "m", "alias": "staging"}

    @pytest.mark.parametrize("login", [None, ("iris", "a:pässword")])
    async def test_it_logs_in_where_mlflow_wants_it(self, login: tuple[str, str] | None) -> None:
        registry = Registry(named(3))
        async with registry.polled(login) as (_, signals):
            await until(signals, "subscribed")
        assert registry.logins[0] == (login and encode_basic_auth(*login))

    async def test_an_alias_that_is_removed_and_comes_back_is_followed(self) -> None:
        registry = Registry(named(3))
        async with registry.polled() as (poll, signals):
            await until(signals, "subscribed")
            registry.answer = MISSING
            await until(signals, "subscribed")
            assert poll.staged is None
            registry.answer = named(3)
            await until(signals, "subscribed")
            assert poll.staged is not None

    @pytest.mark.parametrize(
        "answer",
        [
            (500, {"error_code": "INTERNAL_ERROR"}),
            (502, "<html>"),
            (200, {}),
            (200, {"model_version": "3"}),
            (200, None),
            (404, []),
        ],
    )
    async def test_trouble_is_said_once_and_tried_again(
        self, answer: tuple[int, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        registry = Registry(answer)
        async with registry.polled() as (_, signals):
            for _ in range(3):
                await until(signals, "down")
            [said] = [record for record in caplog.records if record.name == "iris_provider_minio.alias"]
            assert "alias staging of m" in said.getMessage()
            assert str(answer[0]) in said.getMessage()
            registry.answer = named(1)
            await until(signals, "subscribed")

    async def test_what_the_pipeline_staged_just_now_it_announces_itself(self) -> None:
        just_now = datetime.now(UTC).isoformat()
        registry = Registry(named(3, iris__verdict="promoted", iris__verdict__applied=just_now))
        async with registry.polled() as (poll, signals):
            await until(signals, "subscribed")
        assert poll.staged is not None
        assert poll.staged.announced_by_pipeline(30)

    async def test_what_was_staged_by_hand_is_announced_at_once(self) -> None:
        registry = Registry(named(3))
        async with registry.polled() as (poll, signals):
            await until(signals, "subscribed")
        assert poll.staged is not None
        assert not poll.staged.announced_by_pipeline(30)


class TestUnscored:
    def _polled(self, staged: Staged | None) -> AliasPoll:
        poll = AliasPoll("http://127.0.0.1:1", "m", 1.0)
        poll.staged = staged
        return poll

    def _found(self, workspace: Workspace, staged: Staged | None) -> list[str]:
        poll = self._polled(staged)
        found = unscored(poll, workspace.store, workspace.ledger, inference_source(workspace), 30.0)
        return [item.uri for item in found]

    def test_the_newest_object_until_this_version_has_scored_it(self, workspace: Workspace) -> None:
        settings = workspace.settings
        assert self._found(workspace, Staged(MODEL)) == []
        workspace.store.put(settings.bucket, settings.test_key, b"1", "text/csv")
        newest = workspace.store.put(settings.bucket, settings.test_key, b"2", "text/csv")

        assert self._found(workspace, Staged(MODEL)) == [newest.uri]

        identity = Identity.of_object("scoring", newest, MODEL.variant)
        workspace.ledger.commit(like(ScoredRecord, identity=identity))
        assert self._found(workspace, Staged(MODEL)) == []
        other = MODEL.model_copy(update={"version": 2, "run_id": "fedcba9876543210"})
        assert self._found(workspace, Staged(other)) == [newest.uri]

    def test_nothing_without_an_alias_or_while_the_pipeline_announces_it(self, workspace: Workspace) -> None:
        workspace.store.put(workspace.settings.bucket, workspace.settings.test_key, b"1", "text/csv")
        now = datetime.now(UTC)
        assert self._found(workspace, None) == []
        assert self._found(workspace, Staged(MODEL, now)) == []
        assert len(self._found(workspace, Staged(MODEL, now - timedelta(seconds=31)))) == 1
