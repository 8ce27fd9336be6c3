"""Imports what tasks need, once, in the process that forks them: this saves each task tens of seconds.

The libraries are only imported here, never used: forks of a process that has used polars hang, and forks of
one that has used obstore abort. `airflow_local_settings.py` of a scheduler or of a Celery worker imports this
module.
"""

from __future__ import annotations

import warnings
from importlib import import_module

MODULES = (
    "airflow.providers.amazon.aws.sensors.s3",
    "evidently",
    "evidently.metrics",
    "evidently.presets",
    "matplotlib.figure",
    "mlflow",
    "mlflow.sklearn",
    "obstore",
    "pandas",
    "polars",
    "pyarrow.compute",
    "pyarrow.parquet",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.pipeline",
    "skops.io",
    "iris_core.ledger.audit",
    "iris_core.drift",
    "iris_core.monitoring",
    "iris_core.monitoring.retraining",
    "iris_core.scoring",
    "iris_core.training",
    "iris_core.training.validation",
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for module in MODULES:
        import_module(module)
