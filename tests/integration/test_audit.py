"""Audit records: one per task try, under a key that tells what it is about."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from iris_core.ledger import Actor
from iris_core.ledger.audit import AuditRecord, write
from iris_core.ledger.workspace import Workspace
from tests.conftest import MakeWorkspace

pytestmark = pytest.mark.integration

ACTOR = Actor(
    owner="jane.doe",
    dag_id="team_a_dev_iris_pipeline",
    run_id="scheduled__2026-11-23T00:00:00+00:00",
    task_id="group.train",
    try_number=2,
    code_version="sha-1",
)


def stored(workspace: Workspace, key: str) -> AuditRecord:
    return AuditRecord.model_validate_json(workspace.store.get(workspace.settings.bucket, key))


def test_who_did_what_and_how_it_ended(workspace: Workspace) -> None:
    before = datetime.now(UTC)
    key = write(workspace.acting_as(ACTOR), "failed", error="s3://b/k: no answer.")
    record = stored(workspace, key)
    assert (record.by, record.state, record.error) == (ACTOR, "failed", "s3://b/k: no answer.")
    assert before <= record.at <= datetime.now(UTC)
    assert key == (
        f"audit/dev/{record.at:%Y-%m-%d}/team_a_dev_iris_pipeline/"
        "scheduled__2026-11-23T00:00:00+00:00/group.train-try2-failed.json"
    )
    assert list(workspace.store.keys(workspace.settings.bucket, "audit/dev")) == [key]


def test_each_mapped_task_try_and_state_has_its_own(workspace: Workspace) -> None:
    keys = {
        write(workspace.acting_as(ACTOR.model_copy(update={"try_number": attempt})), state, index)
        for attempt in (1, 2)
        for state in ("failed", "success")
        for index in (-1, 0, 1)
    }
    assert len(keys) == 12
    assert set(workspace.store.keys(workspace.settings.bucket, "audit")) == keys
    assert {stored(workspace, key).map_index for key in keys if "[1]" in key} == {1}


def test_the_same_try_writes_the_same_key(workspace: Workspace) -> None:
    assert write(workspace, "success") == write(workspace, "success")


def test_a_long_error_is_cut(workspace: Workspace) -> None:
    assert len(stored(workspace, write(workspace, "failed", error="x" * 10_000)).error) == 2000


def test_the_environment_is_part_of_the_key(make_workspace: MakeWorkspace) -> None:
    workspace = make_workspace(PLATFORM_ENV="prod")
    assert write(workspace, "success").startswith("audit/prod/")


def test_an_error_is_stored_without_the_stores_secret(workspace: Workspace) -> None:
    secret = workspace.store.access.secret_access_key
    assert secret
    error = stored(workspace, write(workspace, "failed", error=f"refused {secret} and {secret[:3]}.")).error
    assert error == f"refused *** and {secret[:3]}."
