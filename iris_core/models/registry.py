"""The model registry: its versions, and the version that the alias `staging` names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
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
    """The version that the alias `staging` names now; None if it names none.

    :raises RegistryError: MLflow does not answer.
    """
    with tracking.asking("Resolving the staged model", settings):
        found = find(tracking.client(settings), settings.names.model, ALIAS)
    return reference(found) if found else None


def find(mlflow_client: MlflowClient, name: str, version: int | str) -> ModelVersion | None:
    """The version of a model with this number or alias.

    :param mlflow_client: MLflow's client.
    :param name: the registered model.
    :param version: a version's number, or an alias.
    :returns: None if there is no such version, or it was deleted.
    """
    number = str(version)
    if number.isdecimal():
        return tracking.unless_gone(lambda: mlflow_client.get_model_version(name, number))
    return tracking.unless_gone(lambda: mlflow_client.get_model_version_by_alias(name, number))


def find_of_run(
    mlflow_client: MlflowClient, name: str, version: int, run_id: str | None
) -> ModelVersion | None:
    """The version of a model with this number, if it came of this run.

    A model that somebody deleted or renamed is made again, and counts its versions from 1 again.

    :param mlflow_client: MLflow's client.
    :param name: the registered model.
    :param version: the version's number.
    :param run_id: the run that a record names beside it; None or empty if no run logged it.
    :returns: None if there is no such version, it was deleted, or it is another model.
    """
    found = find(mlflow_client, name, version)
    return found if found and (found.run_id or "") == (run_id or "") else None


def versions_of(mlflow_client: MlflowClient, name: str) -> list[ModelVersion]:
    """All versions of a model; MLflow lists 10,000 in a page."""
    search = partial(mlflow_client.search_model_versions, f"name = '{name}'")
    found = page = search()
    while page.token:
        page = search(page_token=page.token)
        found += page
    return list(found)


def verdict_of(version: ModelVersion) -> str | None:
    """The verdict in a version's tags; None if it was never judged.

    MLflow copies a version with its tags, as its button "Promote model" does: those tell what was decided
    about another version, in another deployment perhaps.
    """
    copied = (version.source or "").removeprefix("models:/")
    is_copy = copied != version.source and "/" in copied
    return None if is_copy else version.tags.get(VERDICT_TAG)


def reference(version: ModelVersion) -> ModelRef:
    """The reference by which the ledger's records name a version of the registry."""
    return reference_of(version.name, version.version, version.run_id, version.tags)


def reference_of(name: str, version: int | str, run_id: str | None, tags: Mapping[str, str]) -> ModelRef:
    """The reference by which the ledger's records name a version, from an answer of the registry's API.

    :param name: the registered model.
    :param version: the version's number.
    :param run_id: the id of the run that logged it; None if no run did.
    :param tags: the version's tags; they name the record of its training.
    """
    return ModelRef(name=name, version=int(version), run_id=run_id or "", training=tags.get(TRAINING_TAG, ""))
