"""The registry of models: which versions there are, and which one the alias `staging` names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from iris_core.ledger import ModelRef
from iris_core.models import tracking
from iris_core.settings.variables import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

ALIAS = "staging"
STAGE = "Staging"
TRAINING_TAG = "iris.training"
TRAINED_AT_TAG = "iris.trained_at"
LANDED_AT_TAG = "iris.landed_at"
VERDICT_TAG = "iris.verdict"
VERDICT_AT_TAG = "iris.verdict.at"
REASON_TAG = "iris.verdict.reason"
APPLIED_TAG = "iris.verdict.applied"


def staged(settings: Settings) -> ModelRef | None:
    """The version that the alias `staging` names now, or None.

    :raises RegistryError: MLflow does not answer.
    """
    with tracking.asking("Resolving the staged model", settings):
        found = find(tracking.client(settings), settings.names.model, ALIAS)
    return reference(found) if found else None


def find(mlflow_client: MlflowClient, name: str, version: int | str) -> ModelVersion | None:
    """The version of a model that a number or an alias names.

    :returns: None when there is none, or it was deleted.
    """
    number = str(version)
    if number.isdecimal():
        return tracking.unless_gone(lambda: mlflow_client.get_model_version(name, number))
    return tracking.unless_gone(lambda: mlflow_client.get_model_version_by_alias(name, number))


def reference(version: ModelVersion) -> ModelRef:
    """A registry's version as the ledger's records hold it."""
    return reference_of(version.name, version.version, version.run_id, version.tags)


def reference_of(name: str, version: int | str, run_id: str | None, tags: Mapping[str, str]) -> ModelRef:
    """A version as the ledger's records hold it, from what the registry's API answers.

    :param version: its number.
    :param run_id: of the run that logged it; None for a model that no run logged.
    :param tags: of the version; they name the training record that it came from.
    """
    return ModelRef(name=name, version=int(version), run_id=run_id or "", training=tags.get(TRAINING_TAG, ""))
