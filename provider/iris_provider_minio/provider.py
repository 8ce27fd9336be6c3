"""What the provider tells Airflow about itself; nothing is imported for it."""

from __future__ import annotations

from typing import Any

from iris_provider_minio import __version__

_MINIO, _MLFLOW = "MinIO", "MLflow"


def get_provider_info() -> dict[str, Any]:
    """The connection types with their forms, the modules, and the asset URIs."""
    return {
        "package-name": "iris-airflow-provider-minio",
        "name": "MinIO and MLflow (Iris)",
        "description": "Watchers of MinIO buckets and of MLflow's registry that lose nothing.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": _MINIO,
                "external-doc-url": "https://github.com/minio/minio",
                "tags": ["service"],
            },
            {"integration-name": _MLFLOW, "external-doc-url": "https://mlflow.org", "tags": ["service"]},
        ],
        "connection-types": [_minio(), _mlflow()],
        "hooks": _modules("hooks"),
        "operators": _modules("operators", minio="evidently"),
        "extra-links": ["iris_provider_minio.links.MlflowModelVersionLink"],
        "sensors": _modules("sensors"),
        "notifications": [
            "iris_provider_minio.notifiers.minio.MinioObjectNotifier",
            "iris_provider_minio.notifiers.mlflow.MlflowVersionTagNotifier",
        ],
        "triggers": _modules("triggers", mlflow="mlflow_alias"),
        "queues": ["iris_provider_minio.queues.minio.MinioMessageQueueProvider"],
        "asset-uris": [{"schemes": ["minio", "mlflow"], "handler": None}],
    }


def _modules(folder: str, minio: str = "minio", mlflow: str = "mlflow") -> list[dict[str, Any]]:
    return [
        {"integration-name": name, "python-modules": [f"iris_provider_minio.{folder}.{module}"]}
        for name, module in ((_MINIO, minio), (_MLFLOW, mlflow))
    ]


def _text(label: str, description: str) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"]}}


def _minio() -> dict[str, Any]:
    return {
        "connection-type": "minio",
        "hook-class-name": "iris_provider_minio.hooks.minio.MinioHook",
        "hook-name": "MinIO",
        "conn-fields": {
            "endpoint_url": _text("Endpoint URL", "With its scheme: http://minio:9000"),
            "region_name": _text("Region", "us-east-1 unless the server has another"),
        },
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "schema"],
            "relabeling": {"login": "Access key", "password": "Secret key"},
            "placeholders": {"endpoint_url": "http://minio:9000"},
        },
    }


def _mlflow() -> dict[str, Any]:
    return {
        "connection-type": "mlflow",
        "hook-class-name": "iris_provider_minio.hooks.mlflow.MlflowHook",
        "hook-name": "MLflow",
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "extra"],
            "relabeling": {"host": "Tracking server"},
            "placeholders": {"host": "https://mlflow.example.com", "port": "5000"},
        },
    }
