"""Links that Airflow shows beside a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey


class MlflowModelVersionLink(BaseOperatorLink):
    """To the registered version in MLflow; not shown while there is none."""

    name = "Model version in MLflow"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """The address that the task pushed. Airflow asks in the task's process when the task ends."""
        from airflow.sdk.execution_time.xcom import XCom

        return XCom.get_value(ti_key=ti_key, key=self.xcom_key) or ""
