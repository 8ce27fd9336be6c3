"""Registers the plugin with Airflow, through the entry point `airflow.plugins`."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from iris_airflow.listeners.audit import AuditListener


class IrisPlugin(AirflowPlugin):
    """Registers the audit listener; operators and triggers are imported by their names."""

    name = "iris"
    listeners = [AuditListener()]  # noqa: RUF012 - Airflow's own form
