"""Triggers: each survives its serialization, and shares a stream exactly where that is right."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from contextlib import aclosing
from itertools import count
from typing import Any

import pytest
from airflow.triggers.base import BaseEventTrigger

import iris_airflow.triggers as triggers
import iris_provider_minio.triggers as provider_triggers
from iris_airflow.triggers.minio import MinioObjectTrigger
from iris_airflow.triggers.watch import CURSOR_KEY
from iris_core.ledger import Identity
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.settings.names import SWEEP_STATE
from iris_core.store.objects import ObjectVersion
from tests.records import like
from tests.stored import StateStore

VALUES: dict[str, Any] = {"int": 77, "float": 7.5, "bool": False, "Sequence[str]": ["removed"]}


def found() -> list[type[BaseEventTrigger]]:
    modules = [
        importlib.import_module(f"{package.__name__}.{m.name}")
        for package in (triggers, provider_triggers)
        for m in pkgutil.iter_modules(package.__path__)
    ]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, BaseEventTrigger)
        and value.__module__ == module.__name__
        and not inspect.isabstract(value)
    ]


TRIGGERS = found()


def parameters(trigger: type) -> dict[str, inspect.Parameter]:
    named = dict(inspect.signature(trigger.__init__).parameters)  # type: ignore[misc]
    del named["self"]
    return named


def given(trigger: type) -> dict[str, Any]:
    """A value other than the default for every argument."""
    return {
        name: f"{name} value" if parameter.annotation == "str" else VALUES[parameter.annotation]
        for name, parameter in parameters(trigger).items()
    }


def minio_trigger(workspace: Workspace, **kwargs: Any) -> MinioObjectTrigger:
    settings = workspace.settings
    named = {
        "bucket": settings.bucket,
        "key": settings.train_key,
        "kind": "training",
        "env": "dev",
        "ping_s": 1,
    }
    return MinioObjectTrigger(**{**named, **kwargs})


async def put(workspace: Workspace, data: bytes, key: str = "") -> ObjectVersion:
    """Upload an object; by default where the training data lands."""
    settings = workspace.settings
    return await asyncio.to_thread(
        workspace.store.put, settings.bucket, key or settings.train_key, data, "text/csv"
    )


def test_the_watchers_are_found() -> None:
    assert {trigger.__name__ for trigger in TRIGGERS} >= {"MinioObjectTrigger", "MlflowAliasTrigger"}


@pytest.mark.parametrize("trigger", TRIGGERS)
class TestEach:
    def test_serialize_carries_every_argument(self, trigger: type[BaseEventTrigger]) -> None:
        arguments = given(trigger)
        path, carried = json.loads(json.dumps(trigger(**arguments).serialize()))
        assert carried == arguments
        module, _, name = path.rpartition(".")
        restored = getattr(importlib.import_module(module), name)(**carried)
        assert type(restored) is trigger
        assert restored.serialize() == (path, arguments)

    def test_arguments_are_keywords_only(self, trigger: type[BaseEventTrigger]) -> None:
        kinds = {parameter.kind for parameter in parameters(trigger).values()}
        assert kinds == {inspect.Parameter.KEYWORD_ONLY}

    def test_the_docstring_names_every_argument_and_the_delivery(
        self, trigger: type[BaseEventTrigger]
    ) -> None:
        text = inspect.getdoc(trigger) or ""
        for name in parameters(trigger):
            assert f":param {name}:" in text
        assert "at least once" in text
        assert "two triggerers" in text


class TestSharedStream:
    @pytest.mark.parametrize(
        ("argument", "other"),
        [("key", "x"), ("kind", "scoring"), ("env", "prod"), ("sweep_s", 1.0), ("grace_s", 1.0)],
    )
    def test_watchers_on_one_bucket_share_it(self, argument: str, other: object) -> None:
        one = given(MinioObjectTrigger)
        same = MinioObjectTrigger(**one | {argument: other})
        assert same.shared_stream_key() == MinioObjectTrigger(**one).shared_stream_key()

    @pytest.mark.parametrize(("argument", "other"), [("bucket", "x"), ("conn_id", "x"), ("ping_s", 1)])
    def test_others_do_not(self, argument: str, other: object) -> None:
        one = given(MinioObjectTrigger)
        another = MinioObjectTrigger(**one | {argument: other})
        assert another.shared_stream_key() != MinioObjectTrigger(**one).shared_stream_key()


@pytest.mark.integration
@pytest.mark.usefixtures("minio_connection")
class TestMinio:
    """Against the real store."""

    async def test_fires_for_what_was_there_and_for_what_lands(self, workspace: Workspace) -> None:
        before = await put(workspace, b"before")
        async with asyncio.timeout(30), aclosing(minio_trigger(workspace).run()) as events:
            event = await anext(events)
            assert event.payload == {"why": "listing", "objects": 1, "newest": [before.uri]}
            # What lands before the stream is subscribed, the listing after the subscription finds.
            for number in count():
                following = asyncio.ensure_future(anext(events))
                landed = await put(workspace, f"{number}".encode())
                payload = (await following).payload
                named = {"objects": 1, "newest": [landed.uri], "others": []}
                assert payload == {"why": payload["why"], **named}
                if payload["why"] == "notification":
                    break

    async def test_what_is_decided_is_not_announced_after_a_restart(self, workspace: Workspace) -> None:
        decided = await put(workspace, b"1", "iris/incoming/decided.csv")
        record = like(TrainedRecord, identity=Identity.of_object("training", decided, "c1"))
        await asyncio.to_thread(workspace.ledger.commit, record)
        owed = await put(workspace, b"2", "iris/incoming/owed.csv")
        async with (
            asyncio.timeout(20),
            aclosing(minio_trigger(workspace, key="iris/incoming/").run()) as events,
        ):
            assert (await anext(events)).payload == {"why": "listing", "objects": 1, "newest": [owed.uri]}

    async def test_the_cursor_outlives_a_restart(self, workspace: Workspace) -> None:
        state: Any = StateStore()
        announced = await put(workspace, b"1")
        first, second = minio_trigger(workspace), minio_trigger(workspace)
        first.asset_state_store = second.asset_state_store = state
        async with asyncio.timeout(20), aclosing(first.run()) as events:
            await anext(events)
            following = asyncio.ensure_future(anext(events))
            while CURSOR_KEY not in state.state:
                await asyncio.sleep(0.01)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        assert set(json.loads(state.state[CURSOR_KEY])) == {announced.digest}
        assert json.loads(state.state[SWEEP_STATE])["pause_s"] == 60
        later = await put(workspace, b"2")
        async with asyncio.timeout(20), aclosing(second.run()) as events:
            assert (await anext(events)).payload == {"why": "listing", "objects": 1, "newest": [later.uri]}


WATCH = """
import sys
import iris_core.events.alias, iris_provider_minio.stream, iris_provider_minio.watch, iris_core.ledger.owed
heavy = {"boto3", "evidently", "mlflow", "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn"}
print(*sorted(heavy & sys.modules.keys()))
"""


@pytest.mark.integration
def test_a_triggerer_holds_no_library_for_tables_or_models() -> None:
    ran = subprocess.run([sys.executable, "-c", WATCH], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
