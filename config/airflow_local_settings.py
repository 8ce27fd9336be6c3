"""Import the heavy libraries once, in the process that forks the workers.

Airflow imports this file from `$AIRFLOW_HOME/config`. The libraries are imported, never used here: polars and
obstore break in a child whose parent has used them.
"""

import sys

__all__: list[str] = []

if "scheduler" in sys.argv or {"celery", "worker"} <= set(sys.argv):
    import iris_airflow.preload  # noqa: F401
