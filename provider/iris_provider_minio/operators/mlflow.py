"""Registers a logged model with MLflow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from iris_provider_minio.errors import NOT_FOUND, ProviderError, RegistryUnusable
from iris_provider_minio.hooks.mlflow import CONN_ID, MlflowHook
from iris_provider_minio.links import MlflowModelVersionLink

if TYPE_CHECKING:
    from airflow.sdk import Context
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from iris_provider_minio.alias import RegistryAccess

TASK_TAG = "airflow.task_instance"
"""The version's tag that says which task registered it, so that a retry finds it."""


class NotRegistered(ProviderError):
    """MLflow has no such model, or it does not take this name. Retrying does not help."""


class MlflowRegisterModelOperator(BaseOperator):
    """Registers a logged model as a new version, and moves an alias to it if one is named.

    A retry of the task finds the version that an earlier try registered, by its tag
    `airflow.task_instance`: it registers no second one. Needs `mlflow` or `mlflow-skinny` (the wheel's extra
    `mlflow`).

    Returns `model`, `version`, `model_uri`, `run_id`, `source` and `alias`; the outlets' events have the
    same as their extra.

    :param model_uri: the logged model, `runs:/<run>/<path>` or `models:/m-<id>`.
    :param name: of the registered model; it is created if there is none.
    :param alias: to move to the new version; "" moves none.
    :param tags: of the new version.
    :param conn_id: the Airflow connection of MLflow.
    """

    template_fields: Sequence[str] = ("model_uri", "name", "alias", "tags")
    operator_extra_links = (MlflowModelVersionLink(),)

    def __init__(
        self,
        *,
        model_uri: str,
        name: str,
        alias: str = "",
        tags: Mapping[str, str] | None = None,
        conn_id: str = CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model_uri = model_uri
        self.name = name
        self.alias = alias
        self.tags = dict(tags or {})
        self.conn_id = conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Register, and say what was registered."""
        access, task = MlflowHook(conn_id=self.conn_id).access(), _name_of(context)
        with _logged_in(access), _told(f"Registering {self.model_uri} as {self.name}"):
            version = self._version(access, task)
        address = f"{access.tracking_uri.rstrip('/')}/#/models/{self.name}/versions/{version.version}"
        context["ti"].xcom_push(key=MlflowModelVersionLink().xcom_key, value=address)
        registered: dict[str, Any] = {
            "model": self.name,
            "version": int(version.version),
            "model_uri": f"models:/{self.name}/{version.version}",
            "run_id": version.run_id,
            "source": version.source,
            "alias": self.alias,
        }
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = registered
        return registered

    def _version(self, access: RegistryAccess, task: str) -> ModelVersion:
        import mlflow

        client = mlflow.MlflowClient()
        version = _registered(client, self.name, task)
        if version is None:
            tags = {**self.tags, TASK_TAG: task}
            version = mlflow.register_model(self.model_uri, self.name, tags=tags)
            self.log.info("Registered version %s of %s.", version.version, self.name)
        else:
            self.log.info("Version %s of %s was registered by an earlier try.", version.version, self.name)
        if self.alias:
            client.set_registered_model_alias(self.name, self.alias, version.version)
        return version


def _registered(client: MlflowClient, name: str, task: str) -> ModelVersion | None:
    """The version that this task registered before."""
    from mlflow.exceptions import MlflowException

    mark = '"' if "'" in name else "'"
    wanted = f"name = {mark}{name}{mark} AND tags.`{TASK_TAG}` = '{task}'"
    try:
        found = client.search_model_versions(wanted, max_results=1)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return found[0] if found else None


def _name_of(context: Context) -> str:
    """The task in this run: the same in each of its tries."""
    ti = context["ti"]
    return "/".join((ti.dag_id, ti.run_id, ti.task_id, str(ti.map_index))).replace("'", "_")


@contextmanager
def _logged_in(access: RegistryAccess) -> Iterator[None]:
    """MLflow's functions reach the connection's server: they read it, and the login, from variables."""
    import mlflow

    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_URI")
    before, address = {name: os.environ.get(name) for name in names}, mlflow.get_tracking_uri()
    if access.login:
        os.environ.update(zip(names, access.login, strict=False))
    mlflow.set_tracking_uri(access.tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(address)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _told(doing: str) -> Iterator[None]:
    """What MLflow refuses, as an error of ours that says what was done.

    :raises NotRegistered: MLflow will never take it.
    :raises RegistryUnusable: MLflow did not answer, or not well.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        lasting = error.error_code in NOT_FOUND
        raise (NotRegistered if lasting else RegistryUnusable)(f"{doing}: {error}") from error
