"""A real MinIO with a real Kafka as its target: two watchers wake, each upload is decided once."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.components import TRIGGERER
from devstack.home import Home
from devstack.stack import Stack
from iris_core.doctor.airflow_api import AirflowApi
from iris_core.ledger import Kind
from iris_core.store.objects import ObjectVersion
from tests.e2e.conftest import PATIENCE_S, Running
from tests.real_kafka import TOPIC, connection, real_kafka, target, tell_kafka
from tests.real_minio import minio_binary

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1_200)]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stack with a second watcher on the topic that its MinIO tells."""
    folder: Path = tmp_path_factory.mktemp("kafka")
    with real_kafka(folder) as kafka:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("IRIS_PORT")}
        minio = str(_told_minio(folder, target(kafka, folder / "queue")))
        stack = Stack(
            Home(tmp_path_factory.mktemp("told")), {**inherited, "MINIO_BIN": minio, "KAFKA_TOPIC": TOPIC}
        )
        try:
            state = stack.up()
            airflow = AirflowApi(state.endpoints["airflow"], patience_s=PATIENCE_S)
            told = connection(kafka)
            told |= {"connection_id": "kafka_default", "extra": json.dumps(told["extra"])}
            airflow.post("/connections", told)
            workspace = stack.workspace()
            access = workspace.store.access
            login = (access.access_key_id, access.secret_access_key)
            tell_kafka(access.endpoint_url, workspace.settings.bucket, login)
            yield Running(stack, workspace, airflow)
        finally:
            stack.down()


def _told_minio(folder: Path, variables: dict[str, str]) -> Path:
    """MinIO with variables of its own: the stack gives it none but its credentials."""
    script = folder / "minio-with-a-target"
    given = [shlex.quote(f"{name}={value}") for name, value in variables.items()]
    script.write_text(f'#!/bin/sh\nexec env {" ".join(given)} {shlex.quote(minio_binary())} "$@"\n')
    script.chmod(0o755)
    return script


def events(running: Running, asset: str, version: ObjectVersion) -> list[str]:
    """Why each event of an asset that names an object version was sent."""
    asset_id = running.airflow.asset_id(running.workspace.settings.names.asset(asset))
    found = running.airflow.get("/assets/events", asset_id=asset_id, limit=100)["asset_events"]
    payloads: list[dict[str, Any]] = [one["extra"].get("payload", {}) for one in found]
    return [one["why"] for one in payloads if version.uri in one.get("newest", [])]


def heard(running: Running, asset: str, version: ObjectVersion) -> list[str]:
    """The same, once Kafka's watcher has sent its event."""

    def look() -> list[str] | None:
        found = events(running, asset, version)
        return found if "kafka" in found else None

    return running.wait(f"Kafka's event of {asset}", look)


def decisions(running: Running, kind: Kind, version: ObjectVersion) -> list[str]:
    records = running.workspace.ledger.recent(kind)
    return [r.outcome for r in records if r.about and r.about.digest == version.digest]


def test_both_watchers_wake_and_each_upload_is_decided_once(
    told: Running, tables: tuple[bytes, bytes]
) -> None:
    training, inference = tables
    trained = told.train(training)
    told.decided("training", trained)
    scored = told.score(inference)
    told.decided("scoring", scored)
    for asset, version in (("training_data", trained), ("inference_data", scored)):
        assert sorted(heard(told, asset, version)) == ["kafka", "notification"], asset
    told.quiet()
    assert decisions(told, "training", trained) == ["trained"]
    assert len(decisions(told, "scoring", scored)) == 1


def test_what_landed_while_no_triggerer_ran_is_read_from_kafka_once(told: Running, train_csv: bytes) -> None:
    told.stack.kill(TRIGGERER)
    landed = told.train(train_csv)
    told.stack.restart(TRIGGERER)
    heard(told, "training_data", landed)
    told.decided("training", landed)
    told.quiet()
    assert sorted(events(told, "training_data", landed)) == ["kafka", "listing"]
    assert len(decisions(told, "training", landed)) == 1
