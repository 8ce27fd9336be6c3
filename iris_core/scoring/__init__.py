"""From landed inference data to published predictions, once per object version and model version.

`shards` finds the scorings that are owed and cuts them into shards. `flow` scores a shard: `stretches` finds
its rows, `engine` reads, decides (`models.decide`) and writes (`output`) them, without I/O of its own.
`publication` publishes the `results` and commits; from their manifest `replay` repeats a scoring.
"""

from __future__ import annotations

from iris_core.scoring.flow import score_shard
from iris_core.scoring.handover import Handed, plan_handed, publish_handed, score_handed
from iris_core.scoring.output import MODEL_VERSION, PREDICTION
from iris_core.scoring.publication import publish_all
from iris_core.scoring.results import manifest_uri
from iris_core.scoring.shards import inference_source, plan, plan_shards
from iris_core.scoring.work import Piece, Scored, Shard, Work

__all__ = [
    "MODEL_VERSION",
    "PREDICTION",
    "Handed",
    "Piece",
    "Scored",
    "Shard",
    "Work",
    "inference_source",
    "manifest_uri",
    "plan",
    "plan_handed",
    "plan_shards",
    "publish_all",
    "publish_handed",
    "score_handed",
    "score_shard",
]
