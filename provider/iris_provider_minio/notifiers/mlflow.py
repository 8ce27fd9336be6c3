"""Tags a model version when a task or a DAG has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from iris_provider_minio.endpoint import mlflow_url
from iris_provider_minio.hooks.mlflow import CONN_ID, MlflowHook

if TYPE_CHECKING:
    from airflow.sdk import Context

TIMEOUT_S = 10.0


class MlflowVersionTagNotifier(BaseNotifier):
    """Sets tags of a registered version, for people and for other systems that read the registry.

    `on_failure_callback=MlflowVersionTagNotifier(model="iris", version="{{ params.version }}",
    tags={"checks": "failed in {{ run_id }}"})`. It needs no installed MLflow.

    :param model: the registered model.
    :param version: the version, a template.
    :param tags: the tags; their values are templates.
    :param conn_id: the Airflow connection of MLflow; without it `MLFLOW_TRACKING_URI` counts.
    """

    template_fields: Sequence[str] = ("model", "version", "tags")

    def __init__(
        self, *, model: str, version: str, tags: Mapping[str, str], conn_id: str = CONN_ID, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.version = version
        self.tags = dict(tags)
        self.conn_id = conn_id

    def notify(self, context: Context) -> None:
        """Set the tags.

        :raises RegistryUnusable: MLflow refuses, or does not answer.
        """
        import urllib3

        from iris_provider_minio.errors import RegistryUnusable

        access = MlflowHook(conn_id=self.conn_id).access()
        doing = f"Tagging version {self.version} of {self.model} at {access.tracking_uri}"
        for key, value in self.tags.items():
            body = {"name": self.model, "version": str(self.version), "key": key, "value": value}
            try:
                answer = urllib3.request(
                    "POST",
                    mlflow_url(access.tracking_uri, "model-versions/set-tag"),
                    json=body,
                    headers=access.headers,
                    timeout=TIMEOUT_S,
                    retries=False,
                )
            except urllib3.exceptions.HTTPError as error:
                raise RegistryUnusable(f"{doing}: no answer ({type(error).__name__}).") from error
            if answer.status != 200:
                raise RegistryUnusable(f"{doing}: MLflow answered {answer.status}: {_said(answer)}")


def _said(answer: Any) -> str:
    return " ".join(answer.data.decode(errors="replace").split())[:200]
