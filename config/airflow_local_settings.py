"""Airflow imports this file from `$AIRFLOW_HOME/config` in each of its processes."""

import iris_airflow.local_settings

iris_airflow.local_settings.apply()
