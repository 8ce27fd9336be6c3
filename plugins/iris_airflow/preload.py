"""What tasks import, imported once in the process that forks them: tens of seconds become one.

Only ever imported here, never used: a process that has used polars hangs in its forks, one that has used
obstore aborts. `airflow_local_settings.py` of a scheduler, and a Celery worker, import this module.
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
