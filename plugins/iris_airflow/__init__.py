"""Iris in Airflow: assets, watchers, operators. Each calls one function of `iris_core`."""
