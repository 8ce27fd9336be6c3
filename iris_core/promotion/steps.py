"""What the tasks do: promote a trained model, ask for an approval, and find what a killed run left undone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from iris_core.errors import PromotionRefused
from iris_core.ledger import Identity, Outcome
from iris_core.ledger.records.promotion import Approval, VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import registry, tracking
from iris_core.models.registry import APPLIED_TAG
from iris_core.promotion import judgement, staging
from iris_core.promotion.judgement import verdict_on

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

LOOKED_BACK = 5
"""So many of the last trainings are looked at for a promotion that died half-way."""
ASKED_UNTIL_TAG = "iris.approval.until"
APPROVE = "Approve"
REJECT = "Reject"


def unfinished(workspace: Workspace) -> TrainedRecord | None:
    """A training whose model has no verdict (that of the newest data only), or one that was not carried out.

    A model that a human is being asked about is not owed to anybody else.
    """
    recent = islice(workspace.ledger.recent_of(TrainedRecord, outcome=Outcome.TRAINED), LOOKED_BACK)
    trainings = sorted(recent, key=lambda record: (record.about.landed_at, record.at), reverse=True)
    for number, training in enumerate(trainings):
        verdict = verdict_on(workspace, training)
        if verdict is None:
            if number == 0 and not _is_asked(workspace, training):
                return training
        elif not _is_applied(workspace, verdict):
            return training
    return None


def _is_applied(workspace: Workspace, verdict: VerdictRecord) -> bool:
    """Also when somebody deleted the version: that is not undone."""
    with tracking.asking("Reading a model version", workspace.settings):
        found = registry.find(
            tracking.client(workspace.settings), verdict.inputs.model, verdict.inputs.version
        )
    return found is None or APPLIED_TAG in found.tags


def _is_asked(workspace: Workspace, training: TrainedRecord) -> bool:
    if workspace.settings.promotion_approval == "auto":
        return False
    with tracking.asking("Reading a run", workspace.settings):
        run = tracking.client(workspace.settings).get_run(training.run_id)
    until = run.data.tags.get(ASKED_UNTIL_TAG)
    return until is not None and datetime.fromisoformat(until) > datetime.now(UTC)


def promote(workspace: Workspace, training: TrainedRecord, approval: Approval | None = None) -> VerdictRecord:
    """Register the trained model, judge it once, and stage it when the verdict is yes.

    :param approval: a human's answer, where PROMOTION_APPROVAL=manual.
    :raises PromotionRefused: the gate or a human said no; the evidence is in the ledger and on the run.
    :raises RegistryError: MLflow does not answer.
    """
    with tracking.asking("Registering the model", workspace.settings):
        version = staging.register(tracking.client(workspace.settings), workspace, training)
        verdict = judgement.judge_model(workspace, training, version, approval)
        _apply_or_refuse(workspace, version, verdict)
    return verdict


def _apply_or_refuse(workspace: Workspace, version: ModelVersion, verdict: VerdictRecord) -> None:
    if APPLIED_TAG not in version.tags:
        staging.apply_verdict(tracking.client(workspace.settings), version, verdict)
    if verdict.outcome == Outcome.REFUSED:
        raise PromotionRefused(verdict.reason)


def register_step(
    workspace: Workspace, training: Identity | str, answer: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Promote the model of the training record that a path names; what the asset event carries.

    :param answer: the response of Airflow's human-in-the-loop operator, where one was asked.
    :raises PromotionRefused: the gate or a human said no.
    """
    verdict = promote(workspace, _training_at(workspace, training), _approval(answer) if answer else None)
    return {
        "model": verdict.inputs.model,
        "version": str(verdict.inputs.version),
        "reason": verdict.reason,
        "training": str(training),
    }


def _training_at(workspace: Workspace, training: Identity | str) -> TrainedRecord:
    record = workspace.ledger.find(TrainedRecord, training)
    if record is None:
        raise PromotionRefused(f"{training} is not the record of a trained model.")
    return record


def _approval(answer: Mapping[str, Any]) -> Approval:
    """`responded_by_user` is None when the time ran out and the default answered."""
    user = answer.get("responded_by_user") or {}
    approved = bool(user) and list(answer.get("chosen_options") or []) == [APPROVE]
    return Approval(
        approved=approved,
        by=str(user.get("name") or user.get("id") or ""),
        at=answer.get("responded_at") if user else None,
    )


def assess_step(workspace: Workspace, training: str, asked_for: timedelta) -> dict[str, str]:
    """What a human is shown before a model is promoted.

    :param asked_for: how long an answer is waited for; so long nobody else asks.
    :returns: subject and body, in Markdown.
    :raises PromotionRefused: the gate says no already, and nobody needs to be asked.
    """
    record = _training_at(workspace, training)
    with tracking.asking("Registering the model", workspace.settings):
        mlflow_client = tracking.client(workspace.settings)
        version = staging.register(mlflow_client, workspace, record)
        standing = verdict_on(workspace, record)
        if standing is None:
            assessed = judgement.assess(workspace, record, version)
            if assessed.passed:
                until = datetime.now(UTC) + asked_for
                mlflow_client.set_tag(record.run_id, ASKED_UNTIL_TAG, until.isoformat())
                return _question(version, record, assessed)
            standing = judgement.record_gate_verdict(workspace, record, version, assessed)
        _apply_or_refuse(workspace, version, standing)
    return {"subject": f"{version.name} version {version.version} is decided", "body": standing.reason}


def _question(
    version: ModelVersion, training: TrainedRecord, assessed: judgement.Assessment
) -> dict[str, str]:
    told = "\n".join(f"- {part}" for part in assessed.reason.split("; "))
    return {
        "subject": f"Promote {version.name} version {version.version}?",
        "body": f"Trained on {training.about.uri}. The gate says yes:\n\n{told}\n\n"
        "No answer in time means no. Whoever answers is recorded in the ledger.",
    }
