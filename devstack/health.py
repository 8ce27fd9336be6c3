"""Checks whether the stack's components answer."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

import httpx

PATIENCE_S = 2.0


def answers(url: str) -> bool:
    """Whether a GET of this address returns 200 within two seconds."""
    return _get(url) is not None


def airflow_job_beats(address: str, job: str, since: datetime) -> bool:
    """Whether an Airflow job is healthy, with a heartbeat of its current process.

    :param address: Airflow's address.
    :param job: scheduler, triggerer or dag_processor.
    :param since: when the process was started; an older heartbeat is from an earlier process.
    """
    response = _get(f"{address}/api/v2/monitor/health")
    if response is None:
        return False
    facts: dict[str, Any] = response.json().get(job, {})
    beat: str = facts.get(f"latest_{job}_heartbeat") or ""
    return facts.get("status") == "healthy" and beat != "" and datetime.fromisoformat(beat) >= since


@cache
def _client() -> httpx.Client:
    """One client for all probes: creating a client takes longer than a probe."""
    return httpx.Client(trust_env=False, timeout=PATIENCE_S)


def _get(url: str) -> httpx.Response | None:
    try:
        response = _client().get(url)
    except httpx.HTTPError:
        return None
    return response if response.status_code == httpx.codes.OK else None
