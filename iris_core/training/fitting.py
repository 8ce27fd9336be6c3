"""Fits a pipeline to a table, scores it on the holdout, and logs both to MLflow."""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict

from iris_core.drift.threads import SMALL
from iris_core.ledger.records.objects import TrainingSettings
from iris_core.ledger.records.training import Try
from iris_core.models.holdout import Split, split
from iris_core.models.loading import LEVELS, untrusted_types
from iris_core.models.mlflow_runs import log_batch
from iris_core.settings.project import Metric, ModelChoice, Project, TableSchema, metric_label
from iris_core.training.estimators import pipeline_of, search
from iris_core.training.preparation import preparation

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from mlflow.models.model import ModelInfo
    from sklearn.pipeline import Pipeline


class TrainingConfig(BaseModel):
    """Everything besides the data that decides what a model learns.

    :param table: the schema of the table.
    :param model: the classifier that project.json names; without one it is a logistic regression.
    :param metric: the declared one, in which the parameters of `model` are searched for.
    :param estimator: the kind of that regression.
    :param inverse_regularization: its `C` in scikit-learn.
    :param max_iterations: most iterations of its solver.
    :param holdout_share: share of the rows in the holdout, stratified by class.
    :param seed: seed of the split and of the solver.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: TableSchema
    model: ModelChoice | None = None
    metric: Metric = "accuracy"
    estimator: str = "logistic-regression"
    inverse_regularization: float = 1.0
    max_iterations: int = 1000
    holdout_share: float = 0.2
    seed: int = 42

    @classmethod
    def of(cls, project: Project) -> Self:
        """The configuration of a project."""
        return cls(table=project.table, model=project.model, metric=project.metric)

    @property
    def variant(self) -> str:
        """A short name of the configuration: with another one the same data is decided anew.

        Typical ranges of columns (they judge a model), the key (late labels are joined by it), ignored
        columns and the positive class do not count: none changes what a model learns. The metric does where
        parameters are searched for by it.
        """
        unlearnt = {"key": True, "ignored": True, "positive": True}
        other: Any = {"table": {"features": {"__all__": {"typical_min", "typical_max"}}, **unlearnt}}
        other |= {} if self.model else {"model": True}
        other |= {} if self.model and self.model.search else {"metric": True}
        learning = self.model_dump_json(exclude=other)
        return "c" + hashlib.sha256(learning.encode()).hexdigest()[:12]

    @property
    def holds_own_types(self) -> bool:
        """Whether its model may hold types that load only from files that our own training wrote."""
        return self.model is not None or bool(self.table.kinds)

    @property
    def settings(self) -> TrainingSettings:
        """The configuration as records hold it; the table's schema is only part of the variant."""
        known: dict[str, Any] = {
            "variant": self.variant,
            "holdout_share": self.holdout_share,
            "seed": self.seed,
        }
        if self.model:
            chosen = self.model.model_dump(mode="json")
            return TrainingSettings(**known, estimator=self.model.estimator, model=chosen)
        return TrainingSettings(
            **known,
            estimator=self.estimator,
            inverse_regularization=self.inverse_regularization,
            max_iterations=self.max_iterations,
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """The configuration as parameters of an MLflow run."""
        known = self.settings.model_dump(exclude={"variant", "model"})
        return {**known, **(self.model.parameters if self.model else {})}


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline, the split of its table, its scores on the holdout, and the tries of a search."""

    pipeline: Pipeline
    parts: Split
    metrics: dict[str, float]
    confusion: np.ndarray[Any, Any]
    tries: tuple[Try, ...] = ()


def fit(frame: pd.DataFrame, config: TrainingConfig) -> Fitted:
    """Fit the pipeline on a stratified part of the frame and score it on the rest.

    :param frame: features as float64 and the target as text, as `training_table` returns them.
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score
    from threadpoolctl import threadpool_limits

    positive = config.table.positive
    parts = split(frame, config.table, config.holdout_share, config.seed)
    learned, holdout = parts.learned, parts.holdout
    with threadpool_limits(1 if len(learned) <= SMALL else None, user_api="blas"):
        tries: tuple[Try, ...] = ()
        if config.model and config.model.search:
            tries = search(config.model, config.table, learned, config.metric, config.seed)
        chosen = tries[0].parameters if tries else {}
        pipeline = recipe(config, chosen).fit(learned.features, learned.labels)
    predicted = pipeline.predict(holdout.features)
    metrics = {
        "accuracy": float(accuracy_score(holdout.labels, predicted)),
        "f1_macro": float(f1_score(holdout.labels, predicted, average="macro")),
        "train_accuracy": float(pipeline.score(learned.features, learned.labels)),
        **(_found(holdout.labels == positive, predicted == positive) if positive else {}),
    }
    confusion = confusion_matrix(holdout.labels, predicted, labels=list(config.table.classes))
    return Fitted(pipeline, parts, metrics, confusion, tries)


def _found(wanted: pd.Series[bool], named: np.ndarray[Any, Any]) -> dict[str, float]:
    """Precision and recall of the positive class; 0 where it is never named."""
    from sklearn.metrics import precision_score, recall_score

    return {
        "precision": float(precision_score(wanted, named, zero_division=0)),
        "recall": float(recall_score(wanted, named, zero_division=0)),
    }


def recipe(config: TrainingConfig, chosen: Mapping[str, Any] | None = None) -> Pipeline:
    """The pipeline of a configuration, not fitted yet.

    :param config: the configuration.
    :param chosen: values of the searched parameters.
    """
    if config.model:
        return pipeline_of(config.model, config.table, config.seed, chosen)
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(
        *preparation(config.table, is_scaled=True),
        LogisticRegression(
            C=config.inverse_regularization,
            max_iter=config.max_iterations,
            random_state=config.seed,
        ),
    )


def log_fitted(fitted: Fitted, config: TrainingConfig, trusted: Sequence[str]) -> str:
    """Log a fitted pipeline to MLflow's active run: parameters, metrics, confusion matrix, model.

    :param fitted: the pipeline and its scores.
    :param config: the configuration that it was fitted with; its levels are kept with the model.
    :param trusted: full names of types that may be loaded beside those that skops deems safe.
    :returns: the model's URI.
    """
    import mlflow

    chosen = fitted.tries[0].parameters if fitted.tries else {}
    mlflow.log_params({**config.parameters, **chosen, "rows": len(fitted.parts.learned)})
    _log_tries(fitted.tries, config)
    with tempfile.TemporaryDirectory(prefix="iris-training-") as folder, ThreadPoolExecutor(1) as beside:
        # The picture is drawn while MLflow's server stores the model.
        drawn = beside.submit(_write_confusion, fitted.confusion, config.table.classes, Path(folder))
        logged = _log_model(fitted, config, trusted)
        drawn.result()
        mlflow.log_artifacts(folder)
    # After the model: MLflow reads back, one by one, the metrics that a run has before its model.
    mlflow.log_metrics(fitted.metrics, model_id=logged.model_id)
    return str(logged.model_uri)


def _log_tries(tries: Sequence[Try], config: TrainingConfig) -> None:
    """Log each try of a search as a run below the active one."""
    import mlflow

    active = mlflow.active_run()
    experiment = active.info.experiment_id if active else None
    for number, tried in enumerate(tries, 1):
        with mlflow.start_run(
            run_name=f"try {number} of {len(tries)}", experiment_id=experiment, nested=True
        ) as run:
            log_batch(
                mlflow.MlflowClient(),
                run.info.run_id,
                {metric_label(config.metric): tried.score},
                tried.parameters,
            )


def _log_model(fitted: Fitted, config: TrainingConfig, trusted: Sequence[str]) -> ModelInfo:
    import mlflow
    import pandas as pd
    from mlflow.models import infer_signature

    example = fitted.parts.learned.features.head(5)
    predicted = pd.Series(fitted.pipeline.predict(example), name="prediction")
    own = untrusted_types(fitted.pipeline) if config.holds_own_types else ()
    known = config.table.levels
    with warnings.catch_warnings(action="ignore"), _packages_unsearched():
        logged: ModelInfo = mlflow.sklearn.log_model(
            fitted.pipeline,
            name="model",
            signature=infer_signature(example, predicted),
            input_example=example,
            conda_env=_environment("scikit-learn", "numpy", "skops", *_package(config)),
            serialization_format="skops",
            skops_trusted_types=[*trusted, *own] or None,
            metadata={LEVELS: {name: [*levels] for name, levels in known.items()}} if known else None,
        )
    return logged


@contextmanager
def _packages_unsearched() -> Iterator[None]:
    """Keep MLflow from reading the files of every installed package, for half a second.

    It wants to know as what a required package is imported, and uses this only if that is not installed.
    """
    from mlflow.utils import requirements_utils

    mlflows: Any = requirements_utils
    known = mlflows._MODULES_TO_PACKAGES
    mlflows._MODULES_TO_PACKAGES = known or {}
    try:
        yield
    finally:
        mlflows._MODULES_TO_PACKAGES = known


def _package(config: TrainingConfig) -> list[str]:
    """The package of the classifier, if it is another than scikit-learn."""
    return ["lightgbm"] if config.model and config.model.estimator.startswith("lightgbm.") else []


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


def _write_confusion(confusion: np.ndarray[Any, Any], classes: Sequence[str], folder: Path) -> None:
    """Write a confusion matrix to a folder: JSON for programs, a picture for people."""
    counts = {"classes": [*classes], "rows_are_actual": confusion.tolist()}
    (folder / "confusion_matrix.json").write_text(json.dumps(counts, indent=2), encoding="utf-8")
    _figure(confusion, classes).savefig(folder / "confusion_matrix.png")


def _figure(confusion: np.ndarray[Any, Any], classes: Sequence[str]) -> Any:
    from matplotlib.figure import Figure
    from sklearn.metrics import ConfusionMatrixDisplay

    figure = Figure(figsize=(5, 4), layout="constrained")
    # matplotlib takes text between two dollars for a formula.
    names = [name.replace("$", r"\$") for name in classes]
    display = ConfusionMatrixDisplay(confusion, display_labels=names)
    display.plot(ax=figure.subplots(), colorbar=False)
    return figure
