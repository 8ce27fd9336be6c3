"""Writes an audit record when a task of the pipelines ends, in the task's own process."""

from __future__ import annotations

from typing import Any

from airflow.listeners import hookimpl


class AuditListener:
    """Writes one record per task try: succeeded, failed or skipped.

    Airflow logs an error of a listener; it never fails the task.
    """

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        """Record that the try succeeded."""
        _record(task_instance, "success")

    @hookimpl
    def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
        """Record that the task found nothing to do, or that a model was refused."""
        _record(task_instance, "skipped")

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        """Record that the try failed."""
        _record(task_instance, "failed", str(error or ""))


def _record(task_instance: Any, state: str, error: str = "") -> None:
    from iris_core.ledger.audit import write
    from iris_core.settings.variables import load_deployment

    for settings in load_deployment().projects:
        if task_instance.dag_id in settings.names.dags:
            from iris_airflow.steps import workspace

            opened = workspace({"ti": task_instance}, settings.project.full_name)
            write(opened, state, task_instance.map_index, error)
