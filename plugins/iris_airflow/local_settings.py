"""Prepares Airflow's processes when they start; `airflow_local_settings.py` in `$AIRFLOW_HOME/config` calls:

import iris_airflow.local_settings

iris_airflow.local_settings.apply()
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from airflow.configuration import conf


def apply() -> None:
    """Import the heavy libraries in processes that fork workers; make a triggerer hand events over at once.

    The libraries are only imported, not used: polars and obstore break in a child whose parent has used them.
    """
    if forks_workers(sys.argv, conf.get("core", "executor")):
        import_module("iris_airflow.preload")
    if "triggerer" in sys.argv:
        from iris_airflow import handover

        handover.install()


def forks_workers(command: Sequence[str], executor: str) -> bool:
    """Whether the process with this command line forks the processes that run tasks."""
    is_worker = {"celery", "worker"} <= set(command)
    return is_worker or ("scheduler" in command and "LocalExecutor" in executor)
