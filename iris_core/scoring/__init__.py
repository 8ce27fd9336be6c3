"""From landed inference data to published predictions, once per object version and model version.

`engine` is the pure pass: ranges of bytes, rows, decisions, parts. `flow` finds what is owed and scores it
in shards, `publish` commits it, `manifest` and `replay` make it again.
"""

from __future__ import annotations

from iris_core.scoring.flow import inference_source, plan, plan_shards, score, score_shard
from iris_core.scoring.handover import Handed, plan_handed, publish_handed, score_handed
from iris_core.scoring.output import MODEL_VERSION, PREDICTION
from iris_core.scoring.publication import publish, publish_all
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
    "plan",
    "plan_handed",
    "plan_shards",
    "publish",
    "publish_all",
    "publish_handed",
    "score",
    "score_handed",
    "score_shard",
]
