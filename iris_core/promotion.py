"""From a trained model to the one that is staged: register, judge, record, then make it so.

The ledger's promotion record is the decision; the registry's alias and stage are derived from it and are
repaired by the next run when a promotion died half-way. The alias is the authority, the stage its mirror.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from iris_core import tracking
from iris_core.errors import PromotionRefused, RegistryError
from iris_core.ledger import Identity, Record
from iris_core.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

ALIAS = "staging"
STAGE = "Staging"
PROMOTED = "promoted"
REFUSED = "refused"
TRAINING_TAG = "iris.training"
VERDICT_TAG = "iris.verdict"
APPLIED_TAG = "iris.verdict.applied"
ROUNDS = 10


class ModelRef(BaseModel):
    """One registered model version; `training` names the ledger record it came from, if one did."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int
    run_id: str
    training: str = ""

    @property
    def variant(self) -> str:
        """A short identity that survives a registry whose numbering started anew."""
        return f"v{self.version}-{self.run_id[:8]}"


def staged(workspace: Workspace) -> ModelRef | None:
    """The version that the alias `staging` names now, or None.

    :raises RegistryError: MLflow does not answer.
    """
    with tracking.told("Resolving the staged model", workspace.settings):
        found = _by_alias(tracking.client(workspace.settings), workspace.settings.names.model)
    return _ref(found) if found else None


def _by_alias(mlflow_client: MlflowClient, name: str) -> ModelVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        return mlflow_client.get_model_version_by_alias(name, ALIAS)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _ref(version: ModelVersion) -> ModelRef:
    return ModelRef(
        name=version.name,
        version=int(version.version),
        run_id=version.run_id or "",
        training=version.tags.get(TRAINING_TAG, ""),
    )


def identity_of(training: Record) -> Identity:
    """The identity of the verdict on the model that a training record stands for."""
    return Identity("promotion", training.at.date(), training.outputs["run_id"], "verdict")


def unfinished(workspace: Workspace) -> Record | None:
    """The newest training record whose model has no verdict, or a verdict that was not carried out."""
    for training in workspace.ledger.recent("training", outcome="trained"):
        verdict = workspace.ledger.get(identity_of(training))
        if verdict is None or not _applied(workspace, verdict):
            return training
        return None
    return None


def _applied(workspace: Workspace, verdict: Record) -> bool:
    from mlflow.exceptions import MlflowException

    with tracking.told("Reading a model version", workspace.settings):
        mlflow_client = tracking.client(workspace.settings)
        try:
            found = mlflow_client.get_model_version(verdict.inputs["model"], verdict.inputs["version"])
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return True
            raise
        return APPLIED_TAG in found.tags


def promote(workspace: Workspace, training: Record) -> Record:
    """Register the trained model, judge it once, and stage it when the verdict is yes.

    :raises PromotionRefused: the gate said no; the evidence is in the ledger and on the model version.
    :raises RegistryError: MLflow does not answer.
    """
    with tracking.told("Registering the model", workspace.settings):
        mlflow_client = tracking.client(workspace.settings)
        version = register(mlflow_client, workspace, training)
        verdict = _judge(workspace, training, version)
        if APPLIED_TAG not in version.tags:
            _apply(mlflow_client, version, verdict)
    if verdict.outcome == REFUSED:
        raise PromotionRefused(verdict.reason)
    return verdict


def register_step(workspace: Workspace, training: str) -> dict[str, Any]:
    """Promote the model of the training record that a path names; what the asset event carries.

    :raises PromotionRefused: the gate said no.
    """
    record = workspace.ledger.get(Identity.parse(training))
    if record is None or record.outcome != "trained":
        raise PromotionRefused(f"{training} is not the record of a trained model.")
    verdict = promote(workspace, record)
    return {
        "model": verdict.inputs["model"],
        "version": verdict.inputs["version"],
        "reason": verdict.reason,
        "training": training,
    }


def _apply(mlflow_client: MlflowClient, version: ModelVersion, verdict: Record) -> None:
    """Carry a verdict out, once: what somebody moves by hand afterwards stays moved."""
    mlflow_client.set_model_version_tag(version.name, version.version, VERDICT_TAG, verdict.outcome)
    mlflow_client.set_model_version_tag(version.name, version.version, "iris.verdict.reason", verdict.reason)
    if verdict.outcome == PROMOTED:
        stage(mlflow_client, version.name)
    mlflow_client.set_model_version_tag(version.name, version.version, APPLIED_TAG, verdict.at.isoformat())


def register(mlflow_client: MlflowClient, workspace: Workspace, training: Record) -> ModelVersion:
    """The one version registered from a training run; repeating it gives the same version."""
    import mlflow

    name = workspace.settings.names.model
    run_id = training.outputs["run_id"]
    if not _registered(mlflow_client, name, run_id):
        tags = {TRAINING_TAG: training.identity.path, **tracking.provenance(workspace)}
        tags |= tracking.object_tags(training.object())
        _create_model(mlflow_client, name)
        mlflow.register_model(training.outputs["model_uri"], name, tags=tags)
    first, *doubles = _registered(mlflow_client, name, run_id)
    for double in doubles:
        _delete(mlflow_client, double)
        log.warning("Deleted version %s of %s: version %s is the same.", double.version, name, first.version)
    return first


def _delete(mlflow_client: MlflowClient, version: ModelVersion) -> None:
    """Somebody who registered the same at the same moment may have deleted it first."""
    from mlflow.exceptions import MlflowException

    try:
        mlflow_client.delete_model_version(version.name, version.version)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _create_model(mlflow_client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        mlflow_client.create_registered_model(name)
    except MlflowException:
        mlflow_client.get_registered_model(name)


def _registered(mlflow_client: MlflowClient, name: str, run_id: str) -> list[ModelVersion]:
    found = mlflow_client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    return sorted(found, key=lambda version: int(version.version))


def _judge(workspace: Workspace, training: Record, version: ModelVersion) -> Record:
    accuracy = float(training.evidence["accuracy"])
    threshold = workspace.settings.accuracy_threshold
    passed = accuracy >= threshold
    rows = training.evidence["holdout_rows"]
    reason = (
        f"accuracy {accuracy:.3f} on {rows} holdout rows is "
        f"{'at least' if passed else 'below'} ACCURACY_THRESHOLD={threshold:g}"
    )
    return workspace.ledger.commit(
        identity_of(training),
        PROMOTED if passed else REFUSED,
        workspace.actor,
        reason=reason,
        inputs={
            "model": version.name,
            "version": str(version.version),
            "run_id": version.run_id,
            "training": training.identity.path,
            "object": training.inputs["object"],
        },
        outputs={"alias": ALIAS, "stage": STAGE} if passed else {},
        evidence={"accuracy": accuracy, "threshold": threshold, "holdout_rows": rows},
    ).record


def stage(mlflow_client: MlflowClient, name: str) -> int:
    """Make alias and stage name the newest approved version; archive the others that are staged.

    Whoever changes something looks again afterwards, so that concurrent promotions converge.

    :returns: the version that is staged.
    """
    for _ in range(ROUNDS):
        wanted = _newest_approved(mlflow_client, name)
        others = [version for version in _staged_versions(mlflow_client, name) if version != wanted]
        if _is_staged(mlflow_client, name, wanted) and not others:
            return wanted
        _restage(mlflow_client, name, wanted, others)
    raise RegistryError(f"Staging {name} did not settle in {ROUNDS} rounds: something else moves it too.")


def _newest_approved(mlflow_client: MlflowClient, name: str) -> int:
    approved = mlflow_client.search_model_versions(f"name = '{name}' and tags.`{VERDICT_TAG}` = '{PROMOTED}'")
    return max(int(version.version) for version in approved)


def _staged_versions(mlflow_client: MlflowClient, name: str) -> list[int]:
    versions = mlflow_client.search_model_versions(f"name = '{name}'")
    return [int(version.version) for version in versions if version.current_stage == STAGE]


def _is_staged(mlflow_client: MlflowClient, name: str, version: int) -> bool:
    named = _by_alias(mlflow_client, name)
    return named is not None and int(named.version) == version and named.current_stage == STAGE


def _restage(mlflow_client: MlflowClient, name: str, wanted: int, others: list[int]) -> None:
    with _stages():
        mlflow_client.transition_model_version_stage(name, str(wanted), STAGE)
        for version in others:
            mlflow_client.transition_model_version_stage(name, str(version), "Archived")
    mlflow_client.set_registered_model_alias(name, ALIAS, str(wanted))


@contextmanager
def _stages() -> Iterator[None]:
    """MLflow deprecates stages since 2.9; they are kept for whoever still reads them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield
