"""What MLflow gets of a training: parameters, metrics, the confusion matrix, the dataset and the model."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version as installed
from platform import python_version
from typing import TYPE_CHECKING, Any

from iris_core.models import tracking
from iris_core.store.objects import ObjectVersion
from iris_core.training.fitting import Fitted, TrainingConfig

if TYPE_CHECKING:
    import numpy as np


def log_fitted(fitted: Fitted, config: TrainingConfig, version: ObjectVersion, trusted: Sequence[str]) -> str:
    """Log a training to the active run; returns the model's URI.

    :param config: what it was fitted with.
    :param version: what it was fitted on.
    :param trusted: full names of types that may be loaded beside those that skops deems safe.
    """
    import mlflow

    mlflow.log_params({**config.model_dump(exclude={"table"}), "rows": len(fitted.parts.learned)})
    mlflow.log_metrics(fitted.metrics)
    tracking.log_dataset(version, "training_data", "training")
    classes = list(config.table.classes)
    mlflow.log_dict(
        {"classes": classes, "rows_are_actual": fitted.confusion.tolist()}, "confusion_matrix.json"
    )
    mlflow.log_figure(_confusion_figure(fitted.confusion, classes), "confusion_matrix.png")
    return _log_model(fitted, trusted)


def _log_model(fitted: Fitted, trusted: Sequence[str]) -> str:
    import mlflow
    import pandas as pd
    from mlflow.models import infer_signature

    example = fitted.parts.learned.features.head(5)
    predicted = pd.Series(fitted.pipeline.predict(example), name="prediction")
    with tracking.quiet():
        info = mlflow.sklearn.log_model(
            fitted.pipeline,
            name="model",
            signature=infer_signature(example, predicted),
            input_example=example,
            conda_env=_environment("scikit-learn", "numpy", "skops"),
            serialization_format="skops",
            skops_trusted_types=list(trusted) or None,
        )
    return str(info.model_uri)


def _environment(*packages: str) -> dict[str, Any]:
    """What the model needs, as MLflow stores it beside the model; MLflow adds itself.

    Said whole: for a list of packages MLflow looks for the version of pip, which our image does not have.
    """
    pinned = [f"{name}=={installed(name)}" for name in packages]
    return {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python_version()}", "pip", {"pip": pinned}],
    }


def _confusion_figure(confusion: np.ndarray[Any, Any], classes: list[str]) -> Any:
    from matplotlib.figure import Figure
    from sklearn.metrics import ConfusionMatrixDisplay

    figure = Figure(figsize=(5, 4), layout="constrained")
    # Between two dollars matplotlib reads a formula.
    names = [name.replace("$", r"\$") for name in classes]
    display = ConfusionMatrixDisplay(confusion, display_labels=names)
    display.plot(ax=figure.subplots(), colorbar=False)
    return figure
