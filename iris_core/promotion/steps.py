"""The steps that tasks call: promote a trained model, and find promotions that a killed run left undone."""

from __future__ import annotations

from itertools import islice
from typing import Any

from iris_core.errors import PromotionRefused
from iris_core.ledger import Identity, Outcome
from iris_core.ledger.records.gate import GateEvidence
from iris_core.ledger.records.objects import FailedRecord
from iris_core.ledger.records.promotion import AskedRecord, VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.tries import Tried, one_try, standing_or_next
from iris_core.ledger.workspace import Workspace
from iris_core.models import registry, tracking
from iris_core.models.registry import APPLIED_TAG
from iris_core.promotion import approval, staging
from iris_core.promotion.judgement import carry_out, verdict_on

LOOKED_BACK = 5
"""How many of the last trainings are searched for a promotion that died half-way."""


def unfinished(workspace: Workspace) -> TrainedRecord | None:
    """A training whose verdict was not carried out, or the newest one if it has no verdict.

    Models that wait for a human, and promotions that failed too often, are left out.
    """
    recent = islice(workspace.ledger.recent_of(TrainedRecord, outcome=Outcome.TRAINED), LOOKED_BACK)
    trainings = sorted(recent, key=lambda record: (record.about.landed_at, record.at), reverse=True)
    for number, training in enumerate(trainings):
        if _is_owed(workspace, training, is_newest=number == 0) and not _failed(workspace, training)[0]:
            return training
    return None


def _is_owed(workspace: Workspace, training: TrainedRecord, is_newest: bool) -> bool:
    verdict = verdict_on(workspace, training)
    if verdict is None:
        return is_newest and not approval.is_asked(workspace, training)
    return not _is_applied(workspace, verdict)


def _failed(workspace: Workspace, training: TrainedRecord) -> tuple[FailedRecord | None, Identity]:
    """The record of a promotion that failed too often, and the identity of the next such record."""
    wanted = Identity.of_promotion(training.run_id, training.at)
    standing, identity = standing_or_next(workspace.ledger, wanted)
    return (standing if isinstance(standing, FailedRecord) else None), identity


def _is_applied(workspace: Workspace, verdict: VerdictRecord) -> bool:
    """Whether a verdict was carried out, or cannot be because somebody deleted the version."""
    with tracking.asking("Reading a model version", workspace.settings):
        found = registry.find_of_run(tracking.client(workspace.settings), *verdict.inputs.named)
    return found is None or APPLIED_TAG in found.tags


def promote(workspace: Workspace, training: TrainedRecord) -> VerdictRecord:
    """Register the trained model, judge it once, and stage it when the verdict is yes.

    :raises PromotionRefused: the gate or a human said no; the evidence is in the ledger and on the run.
    :raises ApprovalAwaited: the gate said yes, and a human is asked.
    :raises RegistryError: MLflow does not answer.
    """
    with tracking.asking("Registering the model", workspace.settings):
        version = staging.register(tracking.client(workspace.settings), workspace, training)
        verdict = approval.judge_or_ask(workspace, training, version)
        if APPLIED_TAG not in version.tags:
            approval.close_older(workspace, verdict)
            carry_out(workspace, version, verdict)
    if not verdict.stages:
        raise PromotionRefused(verdict.reason)
    return verdict


def register_step(workspace: Workspace, training: Identity | str) -> dict[str, Any]:
    """Promote the model of the training record that a path names; return what the asset event carries.

    :raises PromotionRefused: the gate or a human said no, or the path names no training.
    :raises ApprovalAwaited: the gate said yes, and a human is asked.
    :raises TryFailed: it ended for a cause that nobody foresaw; noted, or recorded as failed.
    """
    record = workspace.ledger.find(TrainedRecord, training)
    if record is None:
        raise PromotionRefused(f"{training} is not the record of a trained model.")
    failed, identity = _failed(workspace, record)
    if failed:
        raise failed.as_error()
    inputs = FailedRecord.Inputs.of(record.about, record.inputs.config)
    with one_try(workspace, Tried(identity, inputs)):
        verdict = promote(workspace, record)
    return {
        "model": verdict.inputs.model,
        "version": str(verdict.inputs.version),
        "reason": verdict.reason,
        "training": str(training),
        "verdict": verdict.identity.path,
        **_measured(verdict),
    }


def _measured(verdict: VerdictRecord) -> dict[str, Any]:
    """The score that a verdict rests on, with its interval."""
    if not isinstance(evidence := verdict.evidence, GateEvidence):
        return {}
    score, interval = evidence.judged
    return {"metric": evidence.metric, "score": score, "low": interval.low, "high": interval.high}


def decision_on(workspace: Workspace, training: Identity | str) -> VerdictRecord | AskedRecord | None:
    """The verdict on the model of a training, or the request to a human; None if there is neither."""
    record = workspace.ledger.find(TrainedRecord, training)
    if record is None:
        return None
    return verdict_on(workspace, record) or approval.request_about(workspace, record)
