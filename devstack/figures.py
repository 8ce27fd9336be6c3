"""Measured figures as JSON for machines: `.iris/results/<target>.json`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import psutil
from pydantic import BaseModel, ConfigDict, computed_field

from devstack.home import Home, write_json


class Figure(BaseModel):
    """One measured number; `value` is None if it could not be measured, and then `reason` says why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    value: float | None
    unit: str
    baseline: float | None = None
    goal: float | None = None
    better: Literal["higher", "lower"] = "lower"
    reason: str = ""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal or a value."""
        if self.value is None or self.goal is None:
            return None
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


def write_figures(
    home: Home, target: str, figures: Sequence[Figure], parameters: Mapping[str, Any] | None = None
) -> None:
    """Store a target's figures; they replace those of its last run.

    :param home: the folder for the file.
    :param target: the name of the target, such as `demo`.
    :param figures: the figures.
    :param parameters: JSON-able parameters of the run.
    """
    memory_gb = round(psutil.virtual_memory().total / 2**30, 1)
    content = {
        "target": target,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "memory_gb": memory_gb},
        "parameters": dict(parameters or {}),
        "figures": [figure.model_dump() for figure in figures],
    }
    write_json(home.results / f"{target}.json", content)
