"""From a landed training table to a trained model, and the record that says so."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version as installed
from platform import python_version
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from iris_core import promotion
from iris_core.errors import DataRejected, DecidedElsewhere, NothingOwed
from iris_core.ledger import IdentityField, Record
from iris_core.ledger.owed import Source
from iris_core.ledger.quarantine import quarantine
from iris_core.ledger.reconcile import Scope, supersede_older
from iris_core.ledger.reconcile import reconcile as reconcile_objects
from iris_core.ledger.records.base import Payload
from iris_core.ledger.records.objects import GivenInputs, RejectedOutputs, RejectedRecord, TrainingSettings
from iris_core.ledger.records.training import TrainedRecord, TrainingEvidence, TrainingInputs, TrainingOutputs
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.models.holdout import labelled_frame, split
from iris_core.settings.project import TableSchema
from iris_core.store.objects import ObjectVersion
from iris_core.tables import StoredInput
from iris_core.training import requests as retrain_requests

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline


class TrainingConfig(BaseModel):
    """Everything that, beside the data, decides what is learned.

    `inverse_regularization` is scikit-learn's C; `holdout_share` the stratified part kept for scoring.
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
        """A short identity: another configuration decides anew about the same data.

        Without what is typical of a column, which judges a model, and without the key, which labels that
        come later are joined by: neither changes what is learned.
        """
        other: Any = {"table": {"features": {"__all__": {"typical_min", "typical_max"}}, "key": True}}
        learning = self.model_dump_json(exclude=other)
        return "c" + hashlib.sha256(learning.encode()).hexdigest()[:12]

    @property
    def settings(self) -> TrainingSettings:
        """The configuration as records hold it: the table's schema shows in the variant only."""
        return TrainingSettings(variant=self.variant, **self.model_dump(exclude={"table"}))


class Work(BaseModel):
    """A decision that is owed about one object version, as it travels between tasks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    object: ObjectVersion
    identity: IdentityField
    validation: dict[str, Any] = {}


def configuration(workspace: Workspace) -> TrainingConfig:
    """The training configuration of this deployment."""
    return TrainingConfig(table=workspace.settings.project.table)


def source(workspace: Workspace) -> Source:
    """Where training data lands."""
    return Source(workspace.settings.bucket, workspace.settings.train_key)


def scope(workspace: Workspace) -> Scope:
    """The trainings of this deployment, with its configuration."""
    return Scope("training", source(workspace), configuration(workspace).settings)


def reconcile(workspace: Workspace) -> Work:
    """The training or promotion that is owed: for new data, else because drift asked for it.

    :raises NothingOwed: every landed version has its record, and the last trained model its verdict.
    """
    reap(workspace)
    trainings = scope(workspace)
    if pending := reconcile_objects(workspace, trainings).owed:
        return Work(object=pending[-1].object, identity=pending[-1].identity)
    if workspace.settings.retrain_on_drift and (requested := retrain_requests.owed(workspace, trainings)):
        return Work(object=requested.object, identity=requested.identity)
    promotion.finish_rollback(workspace)
    if unfinished := promotion.unfinished(workspace):
        return Work(object=unfinished.about, identity=unfinished.identity)
    raise NothingOwed(_all_done(workspace))


def reap(workspace: Workspace) -> None:
    """End what killed attempts left RUNNING in the training experiment."""
    tracking.reap_decided(workspace, workspace.settings.names.training_experiment)


def _all_done(workspace: Workspace) -> str:
    where = f"s3://{workspace.settings.bucket}/{workspace.settings.train_key}"
    last = next(workspace.ledger.recent("training"), None)
    if last is None:
        return f"No training data has landed at {where}."
    return f"Every version of {where} has its record; the last one says {last.outcome}. {last.reason}".strip()


def validate(workspace: Workspace, work: Work) -> Work:
    """Check the table; a bad one is quarantined and its rejection recorded before the error is raised.

    :raises DataRejected: the sentence a data scientist acts on.
    :raises DecidedElsewhere: another run decided about this version meanwhile.
    """
    from iris_core.training.validation import validate_training

    if standing := workspace.ledger.get(work.identity):
        return _continue(work, standing)
    given = StoredInput(workspace.store, work.object)
    try:
        evidence = validate_training(given, workspace.settings.project.table)
    except DataRejected as error:
        reject(workspace, work, error)
        raise
    return work.model_copy(update={"validation": evidence.model_dump(mode="json")})


def _continue(work: Work, standing: Record) -> Work:
    if isinstance(standing, TrainedRecord):
        return work
    if isinstance(standing, RejectedRecord):
        raise standing.as_error()
    raise DecidedElsewhere(f"{work.object.uri} is already {standing.outcome}. {standing.reason}")


def reject(workspace: Workspace, work: Work, error: DataRejected) -> None:
    """Keep the refused table findable under the quarantine prefix and record why it was refused."""
    copied = quarantine(workspace, work.object, error)
    record = RejectedRecord(
        identity=work.identity,
        by=workspace.actor,
        reason=str(error),
        inputs=GivenInputs(object=work.object),
        outputs=RejectedOutputs(quarantine=copied.uri),
        evidence=Payload(**error.evidence),
    )
    workspace.ledger.commit(record)


@dataclass(frozen=True)
class Trained:
    """A fitted pipeline with what it scored on its holdout."""

    pipeline: Pipeline
    features: pd.DataFrame
    metrics: dict[str, float]
    confusion: np.ndarray[Any, Any]
    holdout_rows: int


def train(workspace: Workspace, work: Work) -> Work:
    """Train on exactly this object version, log it, and commit the training record.

    :raises DecidedElsewhere: another run trained or superseded this version first; its record stands.
    """
    if standing := workspace.ledger.get(work.identity):
        reap(workspace)
        return _continue(work, standing)
    work = _newest(workspace, work)
    names = workspace.settings.names
    config = configuration(workspace)
    run_name = f"train {work.object.landed_at:%Y-%m-%d %H:%M:%S} {work.object.digest[:8]}"
    tags = {**tracking.object_tags(work.object), "iris.config": config.variant}
    with tracking.attempt(workspace, names.training_experiment, run_name, work.identity, tags) as run_id:
        trained = fit(labelled_frame(workspace, work.object), config)
        model_uri = _log(workspace, trained, config, work.object)
    record = TrainedRecord(
        identity=work.identity,
        by=workspace.actor,
        inputs=TrainingInputs(object=work.object, config=config.settings),
        outputs=TrainingOutputs(run_id=run_id, model_uri=model_uri),
        evidence=TrainingEvidence(
            rows=len(trained.features) + trained.holdout_rows,
            holdout_rows=trained.holdout_rows,
            **trained.metrics,
            validation=work.validation,
        ),
    )
    committed = workspace.ledger.commit(record)
    tracking.settle(workspace, run_id, committed.won)
    supersede_older(workspace, scope(workspace), work.object)
    reap(workspace)
    return _continue(work, committed.record)


def _newest(workspace: Workspace, work: Work) -> Work:
    """What landed while this run waited for its turn, if it can be used: then that is trained on instead."""
    pending = reconcile_objects(workspace, scope(workspace)).owed
    if not pending or pending[-1].object == work.object:
        return work
    newer = Work(object=pending[-1].object, identity=pending[-1].identity)
    try:
        return validate(workspace, newer)
    except (DataRejected, DecidedElsewhere):
        return work


def fit(frame: pd.DataFrame, config: TrainingConfig) -> Trained:
    """Fit the pipeline on a stratified part of the frame and score it on the rest.

    :param frame: features as float64 and the target as text, as `labelled_frame` gives them.
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
    return Trained(pipeline, learned.features, metrics, confusion, len(holdout))


def recipe(config: TrainingConfig) -> Pipeline:
    """The pipeline that a configuration describes, not fitted yet."""
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


def _log(workspace: Workspace, trained: Trained, config: TrainingConfig, version: ObjectVersion) -> str:
    import mlflow
    import pandas as pd
    from mlflow.models import infer_signature

    mlflow.log_params({**config.model_dump(exclude={"table"}), "rows": len(trained.features)})
    mlflow.log_metrics(trained.metrics)
    tracking.log_dataset(version, "training_data", "training")
    classes = list(config.table.classes)
    mlflow.log_dict(
        {"classes": classes, "rows_are_actual": trained.confusion.tolist()}, "confusion_matrix.json"
    )
    mlflow.log_figure(_confusion_figure(trained.confusion, classes), "confusion_matrix.png")
    example = trained.features.head(5)
    predicted = pd.Series(trained.pipeline.predict(example), name="prediction")
    with tracking.quiet():
        info = mlflow.sklearn.log_model(
            trained.pipeline,
            name="model",
            signature=infer_signature(example, predicted),
            input_example=example,
            conda_env=_environment("scikit-learn", "numpy", "skops"),
            serialization_format="skops",
            skops_trusted_types=list(workspace.settings.trusted_model_types) or None,
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
