"""Imports what tasks need, once, in the process that forks them: this saves each task tens of seconds.

The libraries that compute are only imported here, never used: forks of a process that has used polars hang,
and forks of one that has used obstore abort. `airflow_local_settings.py` of a scheduler or of a Celery worker
imports this module.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from importlib import import_module
from pkgutil import iter_modules

from iris_airflow.local_settings import PARSED

AIRFLOW = (
    "airflow.dag_processing.bundles.local",
    "airflow.providers.amazon.aws.sensors.s3",
    "airflow.providers.standard.decorators.python",
    "airflow.providers.standard.operators.empty",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.execution_time.cache",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.timeout",
    "airflow.sdk.execution_time.xcom",
    "airflow.sdk.observability.stats",
    "jinja2.ext",
)
"""What Airflow imports in a task: when it starts, and to read a DAG file."""

LAZY = (
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PpmImagePlugin",
    "boto3.s3.inject",
    "encodings.cp437",
    "git",
    "matplotlib.backends.backend_agg",
    "matplotlib.pyplot",
    "mlflow.models.display_utils",
    "mlflow.pyfunc",
    "mlflow.pyfunc.scoring_server",
    "mlflow.pyfunc.utils.environment",
    "mlflow.tracing.export.utils",
    "mlflow.tracing.processor.base_mlflow",
    "mlflow.tracing.processor.otel",
    "mlflow.tracing.utils.environment",
    "mlflow.tracking.request_header.registry",
    "narwhals._interchange.dataframe",
    "narwhals.stable.v2._namespace",
    "netrc",
    "opentelemetry.sdk.metrics.export",
    "opentelemetry.sdk.metrics.view",
    "pandas.api.internals",
    "pandas.core.methods.to_dict",
    "plotly.animation",
    "plotly.offline",
    "plotly.tools",
    "plotly.validators._data",
    "plotly.validators._frames",
    "plotly.validators._layout",
    "plotly.validators.layout.annotation.font._size",
    "plotly.validators.layout.coloraxis._colorscale",
    "plotly.validators.layout.title._font",
    "plotly.validators.layout.xaxis.title._text",
    "plotly.validators.layout.yaxis.title._text",
    "plotly.validators.scatter.marker._color",
    "plotly.validators.scatter.marker._size",
    "polars._utils.parquet",
    "pyarrow.pandas_compat",
    "pyarrow.vendored.version",
    "smtplib",
)
"""What libraries import when they are first used; MLflow looks for a git commit at the start of each run."""

PACKAGES = (
    "narwhals._pandas_like",
    "plotly.graph_objs.bar",
    "plotly.graph_objs.layout",
    "plotly.graph_objs.layout.annotation",
    "plotly.graph_objs.layout.title",
    "plotly.graph_objs.layout.updatemenu",
    "plotly.graph_objs.layout.xaxis",
    "plotly.graph_objs.layout.yaxis",
    "plotly.graph_objs.scatter",
    "plotly.validators.bar",
    "plotly.validators.bar.marker",
    "plotly.validators.heatmap",
    "plotly.validators.layout",
    "plotly.validators.layout.annotation",
    "plotly.validators.layout.updatemenu",
    "plotly.validators.layout.updatemenu.button",
    "plotly.validators.layout.xaxis",
    "plotly.validators.layout.yaxis",
    "plotly.validators.scatter",
    "plotly.validators.scatter.line",
)
"""Packages of which a table or a chart imports one module after the other."""

LIBRARIES = (
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
)

OURS = (
    "iris_airflow.facts",
    "iris_airflow.measured",
    "iris_airflow.notifiers.channels",
    "iris_core.drift",
    "iris_core.ledger.audit",
    "iris_core.monitoring",
    "iris_core.monitoring.alerts",
    "iris_core.monitoring.retraining",
    "iris_core.scoring",
    "iris_core.training",
    "iris_core.training.validation",
)

KEPT = (
    "mlflow.tracking._model_registry.utils:_get_store_registry",
    "mlflow.tracking.context.registry:resolve_tags",
    "inspect:stack",
    "narwhals.plugins:_discover_entrypoints",
    "iris_core.ledger.audit:installed_version",
    "iris_core.scoring.results:libraries",
)
"""Functions that search what is installed, or the code's git commit, and keep what they find."""


def preload() -> None:
    """Import all of them; what other versions of Airflow and of the libraries lack is left out.

    The module `git` lacks the command `git`, where that is not installed.
    """
    for module in (*LIBRARIES, *PARSED, *OURS):
        import_module(module)
    for module in (*AIRFLOW, *LAZY):
        with suppress(ImportError):
            import_module(module)
    for package in PACKAGES:
        with suppress(ImportError):
            for found in iter_modules(import_module(package).__path__, f"{package}."):
                import_module(found.name)
    for kept in KEPT:
        module, function = kept.split(":")
        with suppress(ImportError, AttributeError):
            getattr(import_module(module), function)()


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    preload()
