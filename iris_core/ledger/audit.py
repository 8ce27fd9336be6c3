"""Audit records: one small JSON object per task try, which says who did what, when, and how it ended."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from pydantic import BaseModel, ConfigDict

from iris_core.ledger.records.base import Actor
from iris_core.ledger.workspace import Workspace
from iris_core.settings.masking import masked, secrets_of
from iris_core.settings.places import AUDIT
from iris_core.settings.variables import Settings


class AuditRecord(BaseModel):
    """One try of one task: who ran it, and how it ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Actor
    state: str
    at: datetime
    map_index: int = -1
    error: str = ""


def write(workspace: Workspace, state: str, map_index: int = -1, error: str = "") -> str:
    """Store the record of the actor's task try; return its key. Repeated on a day, it has the same key.

    :param state: the state in which the try ended.
    :param map_index: the index of a mapped task; -1 for others.
    :param error: the error that ended the try; secrets in it are masked.
    """
    actor = workspace.actor
    now = datetime.now(UTC)
    record = AuditRecord(
        by=actor, state=state, at=now, map_index=map_index, error=_without_secrets(error, workspace)[:2000]
    )
    task = f"{actor.task_id}[{map_index}]" if map_index >= 0 else actor.task_id
    key = (
        f"{AUDIT}{workspace.settings.names.section}/{now:%Y-%m-%d}/"
        f"{actor.dag_id}/{actor.run_id}/{task}-try{actor.try_number}-{state}.json"
    )
    body = record.model_dump_json(indent=1).encode()
    workspace.store.put(workspace.settings.bucket, key, body, "application/json")
    return key


def _without_secrets(text: str, workspace: Workspace) -> str:
    secrets = (workspace.store.access.secret_access_key, *secrets_of(workspace.settings))
    return masked(text, secrets)


def code_version(settings: Settings) -> str:
    """The settings' name for the code (an image or a commit), else the installed package's version."""
    return settings.code_version or installed_version()


@cache
def installed_version() -> str:
    """The version of the installed package."""
    try:
        return version("iris-mlops-pipelines")
    except PackageNotFoundError:
        return "unknown"
