"""Prepares Airflow's processes when they start; `airflow_local_settings.py` in `$AIRFLOW_HOME/config` calls:

import iris_airflow.local_settings

iris_airflow.local_settings.apply()
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module

from airflow.configuration import conf

PARSED = (
    "iris_airflow.assets",
    "iris_airflow.deadlines",
    "iris_airflow.linked",
    "iris_airflow.operators.evidently_drift_report",
    "iris_airflow.operators.mlflow_register_model",
    "iris_airflow.sensors.s3_key",
    "iris_airflow.steps",
    "iris_core.settings.variables",
)
"""What our DAG files import. project.json and variables are read in each parse."""


def apply() -> None:
    """Import the heavy libraries in processes that fork workers; spare Airflow needless pauses.

    The DAG processor, which forks for each parse, imports what our DAG files import: it is light.
    The libraries are only imported, not used: polars and obstore break in a child whose parent has used them.
    Both kinds of process share with their children the memory that they hold when they first fork.
    """
    if "scheduler" in sys.argv:
        from iris_airflow import due_at_once

        due_at_once.install()
    if forks_workers(sys.argv, conf.get("core", "executor")):
        import_module("iris_airflow.preload")
        share_memory()
    if "dag-processor" in sys.argv:
        for module in PARSED:
            import_module(module)
    if "triggerer" in sys.argv:
        from iris_airflow import handover

        handover.install()
        share_memory()


def share_memory() -> None:
    """Keep Python's garbage collector away from what this process holds when it first forks.

    The collector writes into every object that it looks at: parent and children would soon share no page.
    `LocalExecutor` freezes before it forks, too, but unfreezes at once for itself.
    """
    os.register_at_fork(before=freeze)
    gc.unfreeze = stay_frozen


@cache
def freeze() -> None:
    """Collect garbage, and freeze the rest; once in a process, because frozen garbage is never freed."""
    gc.collect()
    gc.freeze()


def stay_frozen() -> None:
    """Do nothing, in place of `gc.unfreeze`."""


def forks_workers(command: Sequence[str], executor: str) -> bool:
    """Whether the process with this command line forks the processes that run tasks."""
    is_worker = {"celery", "worker"} <= set(command)
    return is_worker or ("scheduler" in command and "LocalExecutor" in executor)
