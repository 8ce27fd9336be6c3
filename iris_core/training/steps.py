"""The tasks of the training DAG: choose the object version that is owed, check it, train on exactly this one.

Only `reconcile` chooses the object that is trained. An object that lands meanwhile is chosen by another run.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import BaseModel, ConfigDict

from iris_core import promotion
from iris_core.errors import DataRejected, DecidedElsewhere, NothingOwed
from iris_core.ledger import IdentityField, Record
from iris_core.ledger.bounded import fitted
from iris_core.ledger.look import EVERYTHING, Look
from iris_core.ledger.quarantine import quarantine_and_reject
from iris_core.ledger.reconcile import Scope, reconcile, supersede_older
from iris_core.ledger.records.objects import FailedRecord, RejectedRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.source import Source
from iris_core.ledger.tries import Tried, one_try
from iris_core.ledger.workspace import Workspace
from iris_core.models import mlflow_runs
from iris_core.models.files import logged_digest
from iris_core.models.holdout import training_table
from iris_core.models.profile import keep_profile
from iris_core.settings.variables import Settings
from iris_core.store.objects import ObjectVersion
from iris_core.tables import StoredInput
from iris_core.training.estimators import check_model
from iris_core.training.fitting import Fitted, TrainingConfig, fit, log_fitted
from iris_core.training.requests import owed_retraining

MOST_EVIDENCE = 40_000
"""Most bytes of a table's evidence, which travels to the record in an XCom."""


MOST_CELLS = 400
"""Most cells of a confusion matrix in a record."""


class TrainingWork(BaseModel):
    """A decision that is owed about one object version, as it travels between tasks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    object: ObjectVersion
    identity: IdentityField
    validation: dict[str, Any] = {}


def training_source(settings: Settings) -> Source:
    """The bucket and key where training data lands."""
    return Source(settings.bucket, settings.train_key)


def training_scope(settings: Settings) -> Scope:
    """The trainings of a deployment, with its configuration."""
    config = TrainingConfig.of(settings.project)
    return Scope("training", training_source(settings), config.settings)


def reconcile_training(workspace: Workspace, look: Look = EVERYTHING) -> TrainingWork:
    """The training or promotion that is owed: for new data, else because drift requested it.

    :param look: the data to look at; retrainings and promotions that are owed are found in any case.
    :raises NothingOwed: every landed version has its record, and the last trained model its verdict.
    """
    with mlflow_runs.runs_settled(workspace, workspace.settings.names.training_experiment):
        trainings = training_scope(workspace.settings)
        if pending := reconcile(workspace, trainings, look=look).owed:
            return TrainingWork(object=pending[-1].object, identity=pending[-1].identity)
        if workspace.settings.retrain_on_drift and (requested := owed_retraining(workspace, trainings)):
            return TrainingWork(object=requested.object, identity=requested.identity)
        promotion.finish_rollback(workspace)
        if unfinished := promotion.unfinished(workspace):
            return TrainingWork(object=unfinished.about, identity=unfinished.identity)
        raise NothingOwed(_all_done(workspace))


def _all_done(workspace: Workspace) -> str:
    where = f"s3://{workspace.settings.bucket}/{workspace.settings.train_key}"
    last = next(workspace.ledger.recent("training"), None)
    if last is None:
        return f"No training data has landed at {where}."
    return f"Every version of {where} has its record; the last one says {last.outcome}. {last.reason}".strip()


def validate(workspace: Workspace, work: TrainingWork) -> TrainingWork:
    """Check the table; a bad one is quarantined and its rejection recorded before the error is raised.

    :raises DataRejected: the table is bad; the message says what to do.
    :raises DecidedElsewhere: another run decided about this version meanwhile.
    :raises TryFailed: an unforeseen error ended the try; noted, or recorded as failed.
    """
    from iris_core.training.validation import validate_training

    if standing := workspace.ledger.get(work.identity):
        return _continue(work, standing)
    settings = workspace.settings
    given = StoredInput(workspace.store, work.object, settings.max_unpack_ratio)
    with one_try(workspace, _tried(workspace, work)):
        try:
            evidence = validate_training(
                given, settings.project.table, settings.max_repeat_share, settings.max_train_mb
            )
        except DataRejected as error:
            quarantine_and_reject(workspace, work.identity, RejectedRecord.Inputs(object=work.object), error)
            raise
    found, left_out = fitted(evidence.model_dump(mode="json"), MOST_EVIDENCE)
    return work.model_copy(update={"validation": {**found, "left_out": left_out} if left_out else found})


def _tried(workspace: Workspace, work: TrainingWork) -> Tried:
    using = TrainingConfig.of(workspace.settings.project).settings
    return Tried(work.identity, FailedRecord.Inputs(object=work.object, config=using))


def _continue(work: TrainingWork, standing: Record) -> TrainingWork:
    if isinstance(standing, TrainedRecord):
        return work
    if isinstance(standing, RejectedRecord | FailedRecord):
        raise standing.as_error()
    raise DecidedElsewhere(f"{work.object.uri} is already {standing.outcome}. {standing.reason}")


def train(workspace: Workspace, work: TrainingWork) -> TrainingWork:
    """Train on exactly this object version, log it, keep its profile, and commit the training record.

    :raises DecidedElsewhere: another run trained or superseded this version first; its record stands.
    :raises TryFailed: an unforeseen error ended the try; noted, or recorded as failed.
    :raises ConfigError: the classifier that project.json names cannot be trained; nothing was tried.
    :raises NothingOwed: the configuration that the work was chosen with is no longer this deployment's.
    """
    if standing := workspace.ledger.get(work.identity):
        mlflow_runs.settle_runs(workspace, workspace.settings.names.training_experiment)
        return _continue(work, standing)
    config = TrainingConfig.of(workspace.settings.project)
    _check_configuration(work, config)
    if config.model:
        check_model(config.model, config.table, config.seed)
    with one_try(workspace, _tried(workspace, work)):
        standing = _trained(workspace, work, config)
    if isinstance(standing, TrainedRecord):
        supersede_older(workspace, training_scope(workspace.settings), work.object)
    mlflow_runs.settle_runs(workspace, workspace.settings.names.training_experiment)
    return _continue(work, standing)


def _trained(workspace: Workspace, work: TrainingWork, config: TrainingConfig) -> Record:
    new = mlflow_runs.NewRun(
        experiment=workspace.settings.names.training_experiment,
        name=f"train {work.object.landed_at:%Y-%m-%d %H:%M:%S} {work.object.digest[:8]}",
        identity=work.identity,
        tags={"iris.config": config.variant},
        objects=[work.object],
        context="training",
    )
    given = StoredInput(workspace.store, work.object)
    with ThreadPoolExecutor(1) as beside:
        # The store sends the table while MLflow's server makes the run, and keeps the profile while that
        # takes the model.
        read = beside.submit(training_table, given, config.table)
        with mlflow_runs.attempt(workspace, new) as run_id:
            learnt = read.result()
            resolved = config.model_copy(update={"table": learnt.table})
            fitted = fit(learnt.frame, resolved)
            kept = beside.submit(
                keep_profile, workspace, work.identity, learnt, fitted.parts, fitted.pipeline
            )
            model_uri = log_fitted(fitted, resolved, workspace.settings.trusted_model_types)
            _, stored = kept.result()
            logged = {"model_digest": logged_digest(model_uri)} if config.holds_own_types else {}
    outputs = TrainedRecord.Outputs(run_id=run_id, model_uri=model_uri, profile=stored, **logged)
    return workspace.ledger.commit(_trained_record(workspace, work, config, fitted, outputs)).record


def _check_configuration(work: TrainingWork, config: TrainingConfig) -> None:
    """Refuse work that was chosen with another configuration: its record would name the wrong one."""
    if work.identity.variant.base != config.variant:
        raise NothingOwed(
            f"{work.object.uri} was chosen with configuration {work.identity.variant.base}, and this "
            f"deployment has {config.variant} now: the next run chooses anew."
        )


def _trained_record(
    workspace: Workspace,
    work: TrainingWork,
    config: TrainingConfig,
    fitted: Fitted,
    outputs: TrainedRecord.Outputs,
) -> TrainedRecord:
    learned, holdout = fitted.parts.learned, fitted.parts.holdout
    found: dict[str, Any] = {**fitted.metrics, **({"search": fitted.tries} if fitted.tries else {})}
    return TrainedRecord(
        identity=work.identity,
        by=workspace.actor,
        inputs=TrainedRecord.Inputs(object=work.object, config=config.settings),
        outputs=outputs,
        evidence=TrainedRecord.Evidence(
            rows=len(learned) + len(holdout),
            holdout_rows=len(holdout),
            **found,
            validation=work.validation,
            agreement=_agreement(fitted, workspace.settings.project.table.classes),
        ),
    )


def _agreement(fitted: Fitted, classes: Sequence[str]) -> dict[str, dict[str, int]] | None:
    """The holdout's rows by label, then by prediction; None where a record cannot hold so many cells."""
    counted = {
        label: {answer: int(n) for answer, n in zip(classes, row, strict=True) if n}
        for label, row in zip(classes, fitted.confusion, strict=True)
    }
    return counted if sum(map(len, counted.values())) <= MOST_CELLS else None
