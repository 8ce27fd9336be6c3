"""Waits for an alias in MLflow's registry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator

from iris_provider_minio.hooks.mlflow import CONN_ID

if TYPE_CHECKING:
    from airflow.sdk import Context


class MlflowAliasSensor(BaseSensorOperator):
    """Waits, deferred, until an alias names a version.

    Returns the version: `model`, `alias`, `version`, `run_id`, `source`, `tags`, `model_uri`. To start a DAG
    whenever the alias moves, use `MlflowAliasTrigger` instead.

    :param model: the registered model.
    :param alias: the alias.
    :param conn_id: the Airflow connection of MLflow; without it `MLFLOW_TRACKING_URI` counts.
    :param kwargs: Airflow's own, among them `timeout` (seconds) and `soft_fail`.
    """

    template_fields: Sequence[str] = ("model", "alias")

    def __init__(self, *, model: str, alias: str, conn_id: str = CONN_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.alias = alias
        self.conn_id = conn_id

    def execute(self, context: Context) -> NoReturn:
        """Wait in the triggerer, which asks MLflow at once."""
        from iris_provider_minio.triggers.awaited import MlflowAliasAwaited

        self.defer(
            trigger=MlflowAliasAwaited(self.model, self.alias, self.conn_id),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Return the version."""
        return event
