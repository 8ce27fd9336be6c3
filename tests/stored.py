"""Airflow's `asset_state_store` as a watcher sees it, in memory; JSON-able values only."""

from __future__ import annotations

import json
from typing import Any


class StateStore:
    """Keeps values as JSON, as Airflow does; `state` has them by their keys."""

    def __init__(self) -> None:
        self.state: dict[str, str] = {}

    async def aget(self, key: str, default: Any = None) -> Any:
        return json.loads(self.state[key]) if key in self.state else default

    async def aset(self, key: str, value: Any) -> None:
        self.state[key] = json.dumps(value)
