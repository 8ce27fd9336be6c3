"""Registers versions, and moves the alias and the stage, which mirrors it.

Everything is derived from the ledger's promotion records and can be repeated at any time.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from iris_core.errors import RegistryError
from iris_core.ledger import Outcome
from iris_core.ledger.records.promotion import BEGINNING, VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import mlflow_runs, tracking
from iris_core.models.registry import (
    ALIAS,
    APPLIED_TAG,
    LANDED_AT_TAG,
    REASON_TAG,
    STAGE,
    TRAINED_AT_TAG,
    TRAINING_TAG,
    VERDICT_AT_TAG,
    VERDICT_TAG,
    find,
    verdict_of,
    versions_of,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

log = logging.getLogger(__name__)

ROLLBACK_TAG = "iris.rollback"
ROUNDS = 10


class RolledBack(BaseModel):
    """The last rollback, as a tag of the model keeps it. Approvals before it no longer count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    at: datetime


def register(mlflow_client: MlflowClient, workspace: Workspace, training: TrainedRecord) -> ModelVersion:
    """Register a training run's model; repeating it returns the same version."""
    name = workspace.settings.names.model
    run_id = training.run_id
    if not _registered(mlflow_client, name, run_id):
        _create(mlflow_client, name, training.outputs.model_uri, _tags(workspace, training))
    first, *doubles = _registered(mlflow_client, name, run_id)
    for double in doubles:
        _delete(mlflow_client, double)
        log.warning("Deleted version %s of %s: version %s is the same.", double.version, name, first.version)
    workspace.ledger.note_version(int(first.version), training.identity)
    return first


def _tags(workspace: Workspace, training: TrainedRecord) -> dict[str, str]:
    """Tags that lead from a version to its training data, its configuration and its owner."""
    return {
        TRAINING_TAG: training.identity.path,
        TRAINED_AT_TAG: training.at.isoformat(),
        LANDED_AT_TAG: training.about.landed_at.isoformat(),
        "iris.config": training.inputs.config.variant,
        **mlflow_runs.provenance(workspace),
        **mlflow_runs.object_tags(training.about),
    }


def _delete(mlflow_client: MlflowClient, version: ModelVersion) -> None:
    """Somebody who registered the same at the same moment may have deleted it first."""
    tracking.unless_gone(lambda: mlflow_client.delete_model_version(version.name, version.version))


def _create(mlflow_client: MlflowClient, name: str, uri: str, tags: dict[str, str]) -> None:
    """Create a version, and with the first one its model; another process may create the model first.

    :param mlflow_client: MLflow's client.
    :param name: the model.
    :param uri: what is registered.
    :param tags: the version's tags.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        mlflow.register_model(uri, name, tags=tags)
    except MlflowException:
        mlflow_client.get_registered_model(name)
        mlflow.register_model(uri, name, tags=tags)


def _registered(mlflow_client: MlflowClient, name: str, run_id: str) -> list[ModelVersion]:
    found = mlflow_client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    return sorted(found, key=lambda version: int(version.version))


def apply_verdict(mlflow_client: MlflowClient, version: ModelVersion, verdict: VerdictRecord) -> None:
    """Tag a version with its verdict, and stage it if the verdict says so. Repeating it changes nothing."""
    tags = {
        REASON_TAG: verdict.reason[:4900],
        VERDICT_AT_TAG: verdict.at.isoformat(),
        VERDICT_TAG: str(verdict.outcome),
    }
    for key, value in tags.items():
        mlflow_client.set_model_version_tag(version.name, version.version, key, value)
    if verdict.outcome == Outcome.PROMOTED:
        stage(mlflow_client, version.name)


def note_applied(mlflow_client: MlflowClient, version: ModelVersion, verdict: VerdictRecord) -> None:
    """Note that a verdict was carried out. What somebody moves by hand afterwards stays moved."""
    mlflow_client.set_model_version_tag(version.name, version.version, APPLIED_TAG, verdict.at.isoformat())


def stage(mlflow_client: MlflowClient, name: str) -> int:
    """Move alias and stage to the version that the decisions want, and archive other staged versions.

    The candidates are the version of the last rollback and those approved since. Wanted is the one whose data
    landed last; among versions of the same data, the one trained last. The store's clock orders them, because
    the hosts' clocks may differ. Whoever changes something looks again afterwards, so concurrent promotions
    converge.

    :returns: the version that is staged.
    """
    for _ in range(ROUNDS):
        model = mlflow_client.get_registered_model(name)
        versions = versions_of(mlflow_client, name)
        wanted = _wanted(mlflow_client, model, versions)
        staged = [int(each.version) for each in versions if each.current_stage == STAGE]
        others = [version for version in staged if version != wanted]
        if str(model.aliases.get(ALIAS)) == str(wanted) and wanted in staged and not others:
            return wanted
        _restage(mlflow_client, name, wanted, others)
    raise RegistryError(f"Staging {name} did not settle in {ROUNDS} rounds: something else moves it too.")


def _wanted(mlflow_client: MlflowClient, model: RegisteredModel, versions: list[ModelVersion]) -> int:
    since = _rollback_of(model)
    approved = [each for each in versions if verdict_of(each) == Outcome.PROMOTED]
    standing = [
        each for each in approved if since is None or (stamped(each, VERDICT_AT_TAG) or BEGINNING) > since.at
    ]
    if since:
        returned_to = find(mlflow_client, model.name, since.version)
        standing += [returned_to] if returned_to else []
    if not standing:
        raise RegistryError(f"{model.name} has no approved version to stage: the one rolled back to is gone.")
    return int(max(standing, key=_age).version)


def _age(version: ModelVersion) -> tuple[datetime, datetime, int]:
    landed, trained = stamped(version, LANDED_AT_TAG), stamped(version, TRAINED_AT_TAG)
    return landed or BEGINNING, trained or BEGINNING, int(version.version)


def stamped(version: ModelVersion, tag: str) -> datetime | None:
    """The time in a tag of a version."""
    held = version.tags.get(tag)
    return datetime.fromisoformat(held) if held else None


def go_back(mlflow_client: MlflowClient, name: str, rolled_back: RolledBack) -> None:
    """Store a rollback and stage what it wants. Until that is done, a tag says that it has begun.

    :param mlflow_client: MLflow's client.
    :param name: the model.
    :param rolled_back: the rollback.
    """
    begun = _begun_tag(rolled_back.at)
    mlflow_client.set_registered_model_tag(name, begun, str(rolled_back.version))
    keep_rollback(mlflow_client, name, rolled_back)
    stage(mlflow_client, name)
    mlflow_client.delete_registered_model_tag(name, begun)


def has_gone_back(mlflow_client: MlflowClient, name: str, moment: datetime) -> bool:
    """Whether the rollback of this moment was carried out to its end, or a later one is stored."""
    model = mlflow_client.get_registered_model(name)
    kept = _rollback_of(model)
    return kept is not None and kept.at >= moment and _begun_tag(moment) not in model.tags


def _begun_tag(moment: datetime) -> str:
    """The tag of a rollback that has begun; of its own, because others may begin and end meanwhile."""
    return f"{ROLLBACK_TAG}.{moment:%Y%m%dT%H%M%S%f}"


def _rollback_of(model: RegisteredModel) -> RolledBack | None:
    kept = model.tags.get(ROLLBACK_TAG)
    return RolledBack.model_validate_json(kept) if kept else None


def keep_rollback(mlflow_client: MlflowClient, name: str, rolled_back: RolledBack) -> None:
    """Store a rollback as the last one, unless a later one is stored."""
    standing = _rollback_of(mlflow_client.get_registered_model(name))
    if standing is None or standing.at < rolled_back.at:
        kept = json.dumps(rolled_back.model_dump(mode="json"))
        mlflow_client.set_registered_model_tag(name, ROLLBACK_TAG, kept)


def _restage(mlflow_client: MlflowClient, name: str, wanted: int, others: list[int]) -> None:
    with _stages():
        mlflow_client.transition_model_version_stage(name, str(wanted), STAGE)
        for version in others:
            mlflow_client.transition_model_version_stage(name, str(version), "Archived")
    _set_alias(mlflow_client, name, wanted)


def _set_alias(mlflow_client: MlflowClient, name: str, version: int) -> None:
    """Set the alias; try again if another process created it at the same moment."""
    from mlflow.exceptions import MlflowException

    try:
        mlflow_client.set_registered_model_alias(name, ALIAS, str(version))
    except MlflowException as error:
        if "UNIQUE constraint" not in str(error) and "duplicate key" not in str(error):
            raise
        mlflow_client.set_registered_model_alias(name, ALIAS, str(version))


@contextmanager
def _stages() -> Iterator[None]:
    """Hide MLflow's warning about stages, deprecated since 2.9: some readers still use them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield
