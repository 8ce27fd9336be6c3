"""Content that scoring's tasks hand to each other through Airflow.

Small content goes into the XCom. Larger content goes into the object store, and the XCom holds its digest: a
shard names up to 250 objects and its result has counts for each, but an XCom should hold at most 64 KB.
Stored content lies below `work/`, which is cleared within a day.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from iris_core.ledger.look import EVERYTHING, Look
from iris_core.ledger.portion import MOST, Portion
from iris_core.ledger.workspace import Workspace
from iris_core.scoring.flow import score_shard
from iris_core.scoring.publication import publish_all
from iris_core.scoring.shards import plan_shards
from iris_core.scoring.work import Scored, Shard
from iris_core.settings.places import WORK

MOST_BYTES = 48_000
"""Most bytes of JSON that one task hands over in XComs."""


class Handed(BaseModel):
    """Content that was handed over, or the digest under which it is stored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content: Any = None
    stored: str = ""


def plan_handed(workspace: Workspace, most: int = MOST, look: Look = EVERYTHING) -> Portion[Handed]:
    """Hand over the shards of `plan_shards`."""
    shards = plan_shards(workspace, most, look)
    handed = hand_over(workspace, [shard.model_dump(mode="json") for shard in shards])
    return Portion(handed, shards.left, shards.names)


def score_handed(workspace: Workspace, shard: Handed) -> Handed:
    """Score a shard as `score_shard` does, and hand the result over."""
    done = score_shard(workspace, Shard.model_validate(received(workspace, shard)))
    [handed] = hand_over(workspace, [[one.model_dump(mode="json") for one in done]])
    return handed


def publish_handed(workspace: Workspace, scored: Iterable[Handed]) -> list[dict[str, Any]]:
    """Publish what the tasks of a run scored, as `publish_all` does."""
    return publish_all(
        workspace, (Scored.model_validate(one) for each in scored for one in received(workspace, each))
    )


def hand_over(workspace: Workspace, contents: Sequence[Any]) -> list[Handed]:
    """Hand over JSON-able contents: as they are up to `MOST_BYTES` in total, above that through the store."""
    bodies = [json.dumps(content).encode() for content in contents]
    if sum(map(len, bodies)) <= MOST_BYTES:
        return [Handed(content=content) for content in contents]
    return [_stored(workspace, body) for body in bodies]


def received(workspace: Workspace, handed: Handed) -> Any:
    """The content that was handed over.

    :raises ObjectMissing: the content was stored and has been cleared since.
    """
    if not handed.stored:
        return handed.content
    key = _key(workspace, handed.stored)
    return json.loads(workspace.store.get(workspace.settings.predictions_bucket, key))


def _stored(workspace: Workspace, body: bytes) -> Handed:
    digest = hashlib.sha256(body).hexdigest()[:32]
    bucket = workspace.settings.predictions_bucket
    workspace.store.put(bucket, _key(workspace, digest), body, "application/json")
    return Handed(stored=digest)


def _key(workspace: Workspace, digest: str) -> str:
    return f"{WORK}{workspace.settings.names.section}/handed/{digest}.json"
