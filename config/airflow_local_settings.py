"""Import the heavy libraries once, in the process that forks the workers.

Airflow imports this file from `$AIRFLOW_HOME/config`. The libraries are imported, never used here: polars and
obstore break in a child whose parent has used them.
"""

import sys

from airflow.configuration import conf

__all__: list[str] = []

forks_in_scheduler = "scheduler" in sys.argv and "LocalExecutor" in conf.get("core", "executor")
if forks_in_scheduler or {"celery", "worker"} <= set(sys.argv):
    import iris_airflow.preload  # noqa: F401
