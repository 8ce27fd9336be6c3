"""The registry of models: which versions there are, and which one the alias `staging` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

ALIAS = "staging"
STAGE = "Staging"
PROMOTED = "promoted"
REFUSED = "refused"
TRAINING_TAG = "iris.training"
TRAINED_AT_TAG = "iris.trained_at"
LANDED_AT_TAG = "iris.landed_at"
VERDICT_TAG = "iris.verdict"
VERDICT_AT_TAG = "iris.verdict.at"
REASON_TAG = "iris.verdict.reason"
APPLIED_TAG = "iris.verdict.applied"


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
    return reference(found) if found else None


def _by_alias(mlflow_client: MlflowClient, name: str) -> ModelVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        return mlflow_client.get_model_version_by_alias(name, ALIAS)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def reference(version: ModelVersion) -> ModelRef:
    """A registry's version as the ledger's records hold it."""
    return ModelRef(
        name=version.name,
        version=int(version.version),
        run_id=version.run_id or "",
        training=version.tags.get(TRAINING_TAG, ""),
    )


def find(mlflow_client: MlflowClient, name: str, version: int | str) -> ModelVersion | None:
    """A version by its number; None when there is none, or it was deleted."""
    from mlflow.exceptions import MlflowException

    try:
        return mlflow_client.get_model_version(name, str(version))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
