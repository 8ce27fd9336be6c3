"""The sensor: passes at once when the key is there, else hands over to the provider's trigger."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from iris_airflow.sensors.s3_key import S3KeySensor
from iris_core.ledger.workspace import Workspace

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _connected(minio_connection: None) -> None:
    """Every test has the connection `minio_default`."""


def sensor(bucket: str, key: str, **kwargs: Any) -> S3KeySensor:
    return S3KeySensor(task_id="wait", bucket_name=bucket, bucket_key=key, **kwargs)


def started_by(run_type: str) -> Any:
    return {"dag_run": SimpleNamespace(run_type=run_type)}


def deferred(waiting: S3KeySensor) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        waiting.execute(started_by("scheduled"))
    return caught.value


@pytest.mark.parametrize(
    ("key", "pattern", "wildcard"),
    [
        ("iris/iris_train.csv", "iris/iris_train.csv", False),
        ("iris/ü b+c%d.csv", "iris/ü b+c%d.csv", False),
        ("iris/incoming/sub/a.csv", "iris/incoming/*", True),
        ("in[1]/a.csv", "in[[]1]/*", True),
    ],
)
def test_a_key_that_is_there_passes_at_once(
    workspace: Workspace, key: str, pattern: str, wildcard: bool
) -> None:
    bucket = workspace.settings.bucket
    waiting = sensor(bucket, pattern, wildcard_match=wildcard)
    deferred(waiting)
    workspace.store.put(bucket, key, b"1", "text/csv")
    waiting.execute(started_by("scheduled"))


def test_a_run_that_an_event_started_does_not_wait_for_a_deleted_key(workspace: Workspace) -> None:
    sensor(workspace.settings.bucket, "not/there").execute(started_by("asset_triggered"))


def test_a_wildcard_is_no_wildcard_unless_asked_for(workspace: Workspace) -> None:
    workspace.store.put(workspace.settings.bucket, "iris/a.csv", b"1", "text/csv")
    deferred(sensor(workspace.settings.bucket, "iris/*"))


def test_it_defers_with_everything_it_was_given(workspace: Workspace) -> None:
    waiting = sensor(
        workspace.settings.bucket, "iris/*.csv", wildcard_match=True, poke_interval=7, timeout=99
    )
    waited = deferred(waiting)
    path, carried = waited.trigger.serialize()
    assert path == "airflow.providers.amazon.aws.triggers.s3.S3KeyTrigger"
    assert carried["bucket_name"] == workspace.settings.bucket
    assert carried["bucket_key"] == "iris/*.csv"
    assert carried["wildcard_match"] is True
    assert carried["poke_interval"] == 7
    assert carried["aws_conn_id"] == "minio_default"
    assert waited.timeout is not None
    assert waited.timeout.total_seconds() == 99
    assert waited.method_name == "execute_complete"


def test_resumed_when_the_key_is_there(workspace: Workspace) -> None:
    sensor(workspace.settings.bucket, "k").execute_complete({}, {"status": "success"})


def test_a_trigger_that_failed_fails_the_task(workspace: Workspace) -> None:
    waiting = sensor(workspace.settings.bucket, "k")
    with pytest.raises(Exception, match="no such bucket"):
        waiting.execute_complete({}, {"status": "error", "message": "no such bucket"})


def test_its_arguments_are_templates_and_attributes() -> None:
    waiting = sensor("b", "k")
    assert {"bucket_name", "bucket_key"} <= set(S3KeySensor.template_fields)
    for name, parameter in inspect.signature(S3KeySensor.__init__).parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            assert hasattr(waiting, name)
