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
        "connection-types": [_minio()],
        "hooks": _modules("hooks.minio"),
        "triggers": _modules("triggers.minio"),
        "asset-uris": [{"schemes": ["minio", "mlflow"], "handler": None}],
    }


def _modules(*minio: str) -> list[dict[str, Any]]:
    listed = {_MINIO: minio}
    return [
        {"integration-name": name, "python-modules": [f"iris_provider_minio.{module}" for module in modules]}
        for name, modules in listed.items()
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
