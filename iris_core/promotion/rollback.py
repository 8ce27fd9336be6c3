"""Stages an earlier version again: a decision like any other, recorded in the ledger first."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from iris_core.errors import PromotionRefused
from iris_core.ledger import Identity, ModelRef, Outcome
from iris_core.ledger.model import in_a_key
from iris_core.ledger.records.promotion import STAGING, PromotionRecord, RollbackRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import registry, tracking
from iris_core.models.registry import ALIAS, STAGE
from iris_core.promotion import staging
from iris_core.promotion.staging import RolledBack

LOOKED_BACK = 5
"""How many of the last decisions that stage a model are searched for a rollback that died half-way."""

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion


def rollback(
    workspace: Workspace, version: int, reason: str, now: datetime, force: bool = False
) -> RollbackRecord:
    """Stage a version again: its ledger record, then alias and stage.

    Versions approved before stay archived, even if an old task runs again. A model that is approved later and
    was trained later replaces this version. Inference follows the alias.

    :param reason: why, for whoever asks later.
    :param now: the rollback's time, part of its identity.
    :param force: also to a version that the gate never approved.
    :raises PromotionRefused: there is no such version, it is staged already, or it was never approved.
    :raises RegistryError: MLflow does not answer.
    """
    with tracking.asking("Rolling back", workspace.settings):
        target = _target(workspace, version, force)
        before = registry.staged(workspace.settings)
        if before and before.version == version:
            raise PromotionRefused(f"Version {version} of {target.name} is already staged.")
        record = _record_rollback(workspace, target, before, reason, now, force)
        _apply_rollback(workspace, record)
    finish_rollback(workspace)
    return record


def _target(workspace: Workspace, version: int, force: bool) -> ModelVersion:
    name = workspace.settings.names.model
    found = registry.find(tracking.client(workspace.settings), name, version)
    if found is None:
        raise PromotionRefused(f"{name} has no version {version}. See: iris ledger --kind promotion")
    verdict = registry.verdict_of(found) or "never judged"
    if verdict != Outcome.PROMOTED and not force:
        raise PromotionRefused(
            f"Version {version} of {name} was {verdict}, not approved. "
            f"To stage it all the same: {workspace.settings.command} rollback {version} --force --reason …"
        )
    return found


def _record_rollback(
    workspace: Workspace,
    target: ModelVersion,
    before: ModelRef | None,
    reason: str,
    now: datetime,
    force: bool,
) -> RollbackRecord:
    tags = target.tags
    record = RollbackRecord(
        identity=Identity.of_rollback(in_a_key(target.run_id or f"version-{target.version}"), now),
        by=workspace.actor,
        reason=reason,
        inputs=RollbackRecord.Inputs(
            model=target.name,
            version=int(target.version),
            run_id=target.run_id,
            training=tags.get(registry.TRAINING_TAG, ""),
            trained_at=staging.stamped(target, registry.TRAINED_AT_TAG),
            landed_at=staging.stamped(target, registry.LANDED_AT_TAG),
            from_version=before.version if before else "",
        ),
        outputs=RollbackRecord.Outputs(alias=ALIAS, stage=STAGE),
        evidence=RollbackRecord.Evidence(forced=force and registry.verdict_of(target) != Outcome.PROMOTED),
    )
    workspace.ledger.commit(record)
    return record


def finish_rollback(workspace: Workspace) -> None:
    """Carry out the last rollback if it died after its record was written, or another one undid it meanwhile.

    What somebody deleted since, the version or its whole model, is left alone.
    """
    decisions = islice(workspace.ledger.recent_of(PromotionRecord, outcome=STAGING), LOOKED_BACK)
    last = next((record for record in decisions if isinstance(record, RollbackRecord)), None)
    if last is None:
        return
    with tracking.asking("Finishing a rollback", workspace.settings):
        mlflow_client, name = tracking.client(workspace.settings), last.inputs.model
        is_done = tracking.unless_gone(lambda: staging.has_gone_back(mlflow_client, name, last.at))
        if not is_done and registry.find_of_run(mlflow_client, *last.inputs.named):
            _apply_rollback(workspace, last)


def _apply_rollback(workspace: Workspace, record: RollbackRecord) -> None:
    kept = RolledBack(version=record.inputs.version, at=record.at)
    staging.go_back(tracking.client(workspace.settings), record.inputs.model, kept)
