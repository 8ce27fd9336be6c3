"""Registers what only a provider can register through the entry point `apache_airflow_provider`."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """The assets' URI schemes, and what makes OpenLineage datasets of them.

    Without a handler Airflow imports nothing for a URI of these schemes.
    """
    return {
        "package-name": "iris-mlops-pipelines",
        "name": "Iris MLOps Pipelines",
        "description": "Event-driven MLOps on Airflow assets, MinIO notifications, MLflow and Evidently.",
        "asset-uris": [
            {
                "schemes": ["x-minio", "x-mlflow", "x-iris"],
                "handler": None,
                "to_openlineage_converter": "iris_airflow.datasets.dataset_of",
            }
        ],
    }
