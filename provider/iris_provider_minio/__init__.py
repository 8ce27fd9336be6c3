"""MinIO and MLflow for Airflow: watchers that lose nothing, operators, connections."""

__version__ = "0.1.0"
