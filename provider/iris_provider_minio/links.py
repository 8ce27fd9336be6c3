"""Links that Airflow shows beside a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey


class TaskLink(BaseOperatorLink):
    """A link whose address the task pushed while it ran; not shown if it pushed none."""

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """Return the pushed address. Airflow asks in the task's process when the task ends."""
        from airflow.sdk.execution_time.xcom import XCom

        return XCom.get_value(ti_key=ti_key, key=self.xcom_key) or ""


class MlflowModelVersionLink(TaskLink):
    """To the registered version in MLflow."""

    name = "Model version in MLflow"
