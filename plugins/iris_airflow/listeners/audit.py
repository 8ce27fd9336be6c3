"""Writes an audit record when a task of ours ends, in the task's own process."""

from __future__ import annotations

from typing import Any

from airflow.listeners import hookimpl


class AuditListener:
    """One record per task try: succeeded, failed or skipped.

    A listener's error is logged by Airflow and never fails the task.
    """

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        """The try succeeded."""
        _record(task_instance, "success")

    @hookimpl
    def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
        """The task found nothing to do, or was refused."""
        _record(task_instance, "skipped")

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        """The try failed."""
        _record(task_instance, "failed", str(error or ""))


def _record(task_instance: Any, state: str, error: str = "") -> None:
    from iris_core.ledger.audit import write
    from iris_core.settings.variables import load_settings

    names = load_settings().names
    if task_instance.dag_id in (names.training_dag, names.inference_dag, names.drift_dag):
        from iris_airflow.steps import workspace

        write(workspace({"ti": task_instance}), state, task_instance.map_index, error)
