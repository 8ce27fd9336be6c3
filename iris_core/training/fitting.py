"""Fits a pipeline to a table, scores it on the holdout, and logs both to MLflow."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed
from platform import python_version
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from iris_core.ledger.records.objects import TrainingSettings
from iris_core.models import tracking
from iris_core.models.holdout import Split, split
from iris_core.settings.project import TableSchema

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline


class TrainingConfig(BaseModel):
    """Everything besides the data that decides what a model learns.

    :param table: the schema of the table.
    :param estimator: the kind of model.
    :param inverse_regularization: scikit-learn's `C`.
    :param max_iterations: most iterations of the solver.
    :param holdout_share: share of the rows in the holdout, stratified by class.
    :param seed: seed of the split and of the solver.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: TableSchema
    estimator: str = "logistic-regression"
    inverse_regularization: float = 1.0
    max_iterations: int = 1000
    holdout_share: float = 0.2
    seed: int = 42

    @property
    def variant(self) -> str:
        """A short name of the configuration: with another one the same data is decided anew.

        Typical ranges of columns (they judge a model) and the key (late labels are joined by it) do not
        count: neither changes what a model learns.
        """
        other: Any = {"table": {"features": {"__all__": {"typical_min", "typical_max"}}, "key": True}}
        learning = self.model_dump_json(exclude=other)
        return "c" + hashlib.sha256(learning.encode()).hexdigest()[:12]

    @property
    def settings(self) -> TrainingSettings:
        """The configuration as records hold it; the table's schema is only part of the variant."""
        return TrainingSettings(variant=self.variant, **self.model_dump(exclude={"table"}))


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline, the split of its table, and its scores on the holdout."""

    pipeline: Pipeline
    parts: Split
    metrics: dict[str, float]
    confusion: np.ndarray[Any, Any]


def fit(frame: pd.DataFrame, config: TrainingConfig) -> Fitted:
    """Fit the pipeline on a stratified part of the frame and score it on the rest.

    :param frame: features as float64 and the target as text, as `training_table` returns them.
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    parts = split(frame, config.table, config.holdout_share, config.seed)
    learned, holdout = parts.learned, parts.holdout
    pipeline = recipe(config).fit(learned.features, learned.labels)
    predicted = pipeline.predict(holdout.features)
    metrics = {
        "accuracy": float(accuracy_score(holdout.labels, predicted)),
        "f1_macro": float(f1_score(holdout.labels, predicted, average="macro")),
        "train_accuracy": float(pipeline.score(learned.features, learned.labels)),
    }
    confusion = confusion_matrix(holdout.labels, predicted, labels=list(config.table.classes))
    return Fitted(pipeline, parts, metrics, confusion)


def recipe(config: TrainingConfig) -> Pipeline:
    """The pipeline of a configuration, not fitted yet."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        StandardScaler(),
        LogisticRegression(
            C=config.inverse_regularization,
            max_iter=config.max_iterations,
            random_state=config.seed,
        ),
    )


def log_fitted(fitted: Fitted, config: TrainingConfig, trusted: Sequence[str]) -> str:
    """Log a fitted pipeline to MLflow's active run: parameters, metrics, confusion matrix, model.

    :param fitted: the pipeline and its scores.
    :param config: the configuration that it was fitted with.
    :param trusted: full names of types that may be loaded beside those that skops deems safe.
    :returns: the model's URI.
    """
    import mlflow

    mlflow.log_params({**config.model_dump(exclude={"table"}), "rows": len(fitted.parts.learned)})
    mlflow.log_metrics(fitted.metrics)
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
    """The model's environment, which MLflow stores beside the model; MLflow adds itself.

    It is given whole: for a list of packages MLflow looks for the version of pip, which our image lacks.
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
    # matplotlib takes text between two dollars for a formula.
    names = [name.replace("$", r"\$") for name in classes]
    display = ConfusionMatrixDisplay(confusion, display_labels=names)
    display.plot(ax=figure.subplots(), colorbar=False)
    return figure
