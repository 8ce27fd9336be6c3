"""What scoring's tasks hand to each other through Airflow: small things as they are, else where they lie.

A shard names up to 250 objects, and what came of it has counts for each; an XCom is to hold 64 KB. What is
stored lies below `work/`, which is cleared within a day.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from iris_core.ledger.portion import MOST, Portion
from iris_core.ledger.workspace import Workspace
from iris_core.scoring import places
from iris_core.scoring.flow import plan_shards, score_shard
from iris_core.scoring.publication import publish_all
from iris_core.scoring.work import Scored, Shard

MOST_BYTES = 48_000
"""Of everything that one task hands over."""


class Handed(BaseModel):
    """The content, or the digest that it is stored under."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content: Any = None
    stored: str = ""


def plan_handed(workspace: Workspace, most: int = MOST) -> Portion[Handed]:
    """The shards of `plan_shards`, to be handed over."""
    shards = plan_shards(workspace, most)
    return Portion(hand_over(workspace, [shard.model_dump(mode="json") for shard in shards]), shards.left)


def score_handed(workspace: Workspace, shard: Handed) -> Handed:
    """Score a shard as `score_shard`; returns what came of it, to be handed over."""
    done = score_shard(workspace, Shard.model_validate(received(workspace, shard)))
    [handed] = hand_over(workspace, [[one.model_dump(mode="json") for one in done]])
    return handed


def publish_handed(workspace: Workspace, scored: Iterable[Handed]) -> list[dict[str, Any]]:
    """Publish as `publish_all` what the tasks of a run scored."""
    return publish_all(
        workspace, (Scored.model_validate(one) for each in scored for one in received(workspace, each))
    )


def hand_over(workspace: Workspace, contents: Sequence[Any]) -> list[Handed]:
    """Hand over JSON-able contents: as they are while all of them are small together, else stored."""
    bodies = [json.dumps(content).encode() for content in contents]
    if sum(map(len, bodies)) <= MOST_BYTES:
        return [Handed(content=content) for content in contents]
    return [_stored(workspace, body) for body in bodies]


def received(workspace: Workspace, handed: Handed) -> Any:
    """The content of what was handed over.

    :raises ObjectMissing: it was stored, and cleared since.
    """
    if not handed.stored:
        return handed.content
    key = places.handed(workspace, handed.stored)
    return json.loads(workspace.store.get(workspace.settings.predictions_bucket, key))


def _stored(workspace: Workspace, body: bytes) -> Handed:
    digest = hashlib.sha256(body).hexdigest()[:32]
    bucket = workspace.settings.predictions_bucket
    workspace.store.put(bucket, places.handed(workspace, digest), body, "application/json")
    return Handed(stored=digest)
