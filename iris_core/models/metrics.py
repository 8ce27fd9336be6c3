"""Metrics for MLflow, logged in one request; their names may hold the name of any column or class."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

LONGEST_NAME = 250
"""MLflow refuses longer names."""

NONE: Mapping[str, object] = MappingProxyType({})

_REFUSED = re.compile(r"[^/\w.\- :]|:(?=[0-9a-f]+:)")
_SEGMENT = re.compile(r"(?:(?<=/)|^)(?:\.{1,2})?(?=/|$)")


def metric_name(*parts: str) -> str:
    """A metric's name: the parts, joined by `/`. `<=50K` becomes `:3c::3d:50K`.

    Characters that MLflow refuses are written as code points. Different parts give different names. A name
    that is too long ends in a digest of the whole name.
    """
    name = "/".join(_SEGMENT.sub(_spelt, _REFUSED.sub(_coded, part)) for part in parts)
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: LONGEST_NAME - 13]}-{digest}"


def _coded(found: re.Match[str]) -> str:
    return "".join(f":{ord(character):x}:" for character in found[0])


def _spelt(found: re.Match[str]) -> str:
    """The code for a segment that MLflow would resolve: an empty one, `.` or `..`."""
    return _coded(found) or ":0:"


def log_metrics(
    client: MlflowClient, run_id: str, named: Iterable[tuple[str, float]], landed_at: datetime
) -> None:
    """Log metrics at the second in which an object landed as step, so logging them again changes nothing.

    :param client: MLflow's client.
    :param run_id: the run.
    :param named: name (see `metric_name`) and value of each metric.
    :param landed_at: when the object landed.
    """
    from mlflow.entities import Metric

    step = int(landed_at.timestamp())
    client.log_batch(run_id, metrics=[Metric(name, value, step * 1000, step) for name, value in named])


def log_batch(
    client: MlflowClient,
    run_id: str,
    metrics: Mapping[str, float],
    parameters: Mapping[str, object] = NONE,
    tags: Mapping[str, object] = NONE,
) -> None:
    """Log to a run in one request.

    :param client: MLflow's client.
    :param run_id: the run.
    :param metrics: value by name (see `metric_name`), logged at the present.
    :param parameters: parameters of the run.
    :param tags: tags of the run.
    """
    from mlflow.entities import Metric, Param, RunTag

    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
        params=[Param(name, str(value)) for name, value in parameters.items()],
        tags=[RunTag(name, str(value)) for name, value in tags.items()],
    )
