"""Whether a component of the stack answers."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

import httpx

PATIENCE_S = 2.0


def answers(url: str) -> bool:
    """Whether a GET of this address gives 200 within two seconds."""
    return _get(url) is not None


def airflow_job_beats(address: str, job: str, since: datetime) -> bool:
    """Whether an Airflow job is healthy by a heartbeat of its present process.

    :param job: scheduler, triggerer or dag_processor.
    :param since: when that process was started; an older heartbeat was its predecessor's.
    """
    response = _get(f"{address}/api/v2/monitor/health")
    if response is None:
        return False
    facts: dict[str, Any] = response.json().get(job, {})
    beat: str = facts.get(f"latest_{job}_heartbeat") or ""
    return facts.get("status") == "healthy" and beat != "" and datetime.fromisoformat(beat) >= since


@cache
def _client() -> httpx.Client:
    """One for all probes: making one costs more than a probe."""
    return httpx.Client(trust_env=False, timeout=PATIENCE_S)


def _get(url: str) -> httpx.Response | None:
    try:
        response = _client().get(url)
    except httpx.HTTPError:
        return None
    return response if response.status_code == httpx.codes.OK else None
