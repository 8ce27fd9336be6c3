"""Metrics of our own, received as StatsD's datagrams: what is committed first is sent, and nothing else."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils

from iris_airflow import measured
from iris_core.ledger import Actor, Identity, Ledger, Record, Variant
from iris_core.ledger.records.drift import BatchDriftRecord
from iris_core.ledger.records.objects import RejectedRecord, SupersededRecord
from iris_core.ledger.records.promotion import VerdictRecord
from iris_core.ledger.records.scoring import ScoredRecord
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring.promised import LookedAt, Waiting
from iris_core.settings.variables import load_settings
from iris_core.store.versions import ObjectVersion
from tests.memory import MemoryStore
from tests.records import like

pytestmark = pytest.mark.integration

BUCKET = "a-bucket"
Received = Callable[[], list[str]]


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    """Airflow sends to a socket on the loopback; call it for what came since the last call."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.3)
        for name, value in {
            "STATSD_ON": "True",
            "STATSD_HOST": "127.0.0.1",
            "STATSD_PORT": str(server.getsockname()[1]),
            "STATSD_INFLUXDB_ENABLED": "True",
        }.items():
            monkeypatch.setenv(f"AIRFLOW__METRICS__{name}", value)
        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)

        def take() -> list[str]:
            found = []
            while True:
                try:
                    found.append(server.recv(4096).decode())
                except TimeoutError:
                    return found

        yield take
        monkeypatch.undo()
        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)


@pytest.fixture
def world() -> Workspace:
    store = MemoryStore()
    settings = load_settings({"TEAM_S3_BUCKET": BUCKET, "VERDICT_WITHIN": "15m"})
    return measured.measured(Workspace(settings, store, Ledger(store, BUCKET, "dev"), Actor()))


def upload(number: int = 1) -> ObjectVersion:
    landed = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=10)
    return ObjectVersion(
        bucket=BUCKET, key="iris/iris_test.csv", version_id=f"v{number}", etag="e", size=1, landed_at=landed
    )


def commit(world: Workspace, what: type[Record], identity: Identity, version: ObjectVersion) -> Record:
    part = "current" if what is BatchDriftRecord else "object"
    record = like(
        what, identity=identity, inputs={part: version}, at=version.landed_at + timedelta(seconds=4)
    )
    world.ledger.commit(record)
    return record


def test_a_drift_verdict(received: Received, world: Workspace) -> None:
    version = upload()
    for model, expected in (
        ("v1-abc", ["airflow.iris.arrival_to_verdict_s,project=team_a_iris,kind=drift:4000.000000|ms"]),
        ("v2-def", []),
    ):
        scoring = Identity.of_object("scoring", version, model)
        commit(world, ScoredRecord, scoring, version)
        drift = Identity.of_drift(scoring, version.landed_at)
        for _ in range(2):
            made = commit(world, BatchDriftRecord, drift, version)
        rank = {"none": 0, "low": 1, "medium": 2, "high": 3}[made.outcome]
        assert received() == [f"airflow.iris.severity,project=team_a_iris:{rank}.0|g", *expected]


def test_refusals(received: Received, world: Workspace) -> None:
    version = upload()
    identity = Identity.of_object("scoring", version, "v1-abc")
    for _ in range(2):
        commit(world, RejectedRecord, identity, version)
    commit(world, SupersededRecord, Identity.of_object("training", version, "c1"), version)
    assert received() == [
        "airflow.iris.refused,project=team_a_iris,kind=scoring:1|c",
        "airflow.iris.arrival_to_verdict_s,project=team_a_iris,kind=scoring:4000.000000|ms",
    ]


def test_a_model(received: Received, world: Workspace) -> None:
    version = upload()
    for variant, outcome, expected in (
        ("c1", "promoted", ["arrival_to_verdict_s"]),
        ("c1+retrain-1", "refused", ["refused"]),
    ):
        training = Identity.of_object("training", version, variant)
        run = f"{len(variant):032}"
        record = like(
            VerdictRecord,
            identity=Identity("promotion", version.landed_at.date(), run, Variant("verdict")),
            outcome=outcome,
            inputs={"object": version, "training": training.path},
        )
        world.ledger.commit(record)
        assert [line.split(",")[0].removeprefix("airflow.iris.") for line in received()] == expected


def test_what_is_owed(received: Received, world: Workspace) -> None:
    waiting = [Waiting(upload(number), "scoring", upload().landed_at) for number in (1, 2)]
    for seen in (waiting, []):
        measured.send_owed(world, LookedAt(seen, True, datetime.now(UTC)))
    measured.send_owed(world, LookedAt(waiting, False, datetime.now(UTC)))
    lines = [line.removeprefix("airflow.iris.").split(",project=team_a_iris:") for line in received()]
    assert [name for name, _ in lines] == ["owed", "oldest_owed_s", "promised_s"] * 2
    counted, age, promised, none, no_age, _ = (value for _, value in lines)
    assert (counted, promised, none, no_age) == ("2|g", "900|g", "0|g", "0|g")
    assert int(age.removesuffix("|g")) >= 10


def test_where_airflow_sends_none_the_ledger_is_the_plain_one(world: Workspace) -> None:
    assert not measured.are_sent()
    assert measured.measured(world) is world
    assert type(world.ledger) is Ledger
