"""What Airflow's processes do before anything else; Airflow imports this file from `$AIRFLOW_HOME/config`.

Where workers are forked the heavy libraries are imported once. Imported, never used here: polars and obstore
break in a child whose parent has used them. A triggerer hands events over as they come, not once a second.
"""

import sys

from airflow.configuration import conf

__all__: list[str] = []

forks_in_scheduler = "scheduler" in sys.argv and "LocalExecutor" in conf.get("core", "executor")
if forks_in_scheduler or {"celery", "worker"} <= set(sys.argv):
    import iris_airflow.preload
if "triggerer" in sys.argv:
    import iris_airflow.handover

    iris_airflow.handover.install()
