"""Asks a human before a model is staged, and carries out the answer. No run waits for it.

A human is asked about every model (`PROMOTION_APPROVAL=manual`), or about those whose table is suspect
(`PROMOTION_ON_SUSPECT=ask`). The request is a ledger record; the run that made it ends. A request is open
until its model has a verdict: by an answer (`iris approve`, `iris refuse`), or because a human is asked about
a newer model, or a newer one is staged. At most one request is open, the newest.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING

from iris_core.errors import ApprovalAwaited, PromotionRefused
from iris_core.ledger import Identity, Ledger, Outcome
from iris_core.ledger.records.gate import Approval, GateEvidence
from iris_core.ledger.records.promotion import AskedRecord, JudgedInputs, VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.requests import LOOKED_THROUGH, open_requests
from iris_core.ledger.workspace import Workspace
from iris_core.models import registry, tracking
from iris_core.models.registry import APPLIED_TAG
from iris_core.promotion import judgement
from iris_core.promotion.judgement import Assessment
from iris_core.settings.variables import Settings

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

MAY_ANSWER = "whoever may write the ledger and stage models in MLflow"


def judge_or_ask(workspace: Workspace, training: TrainedRecord, version: ModelVersion) -> VerdictRecord:
    """Judge a model, or ask a human about it if it passed the gate and only a human can say yes.

    :raises ApprovalAwaited: a human is asked; the request is recorded, and replaces older ones.
    """
    if standing := judgement.verdict_on(workspace, training):
        return standing
    request = request_about(workspace, training)
    if request is None or not _needs_human(workspace.settings, request.evidence):
        assessed = judgement.assess(workspace, training, version)
        judged, evidence = judgement.judged_inputs(training, version), assessed.evidence
        if not assessed.passed or evidence is None or not _needs_human(workspace.settings, evidence):
            return judgement.record_gate_verdict(workspace, judged, assessed)
        request = _ask(workspace, judged, evidence, assessed.reason)
    replace_older(workspace)
    if replaced := judgement.verdict_on(workspace, training):
        return replaced
    why = f" ({request.evidence.suspicion})" if request.evidence.is_suspect else ""
    raise ApprovalAwaited(
        f"{_name(request)} passed the gate{why} and waits for a human: {request.outputs.answer}"
    )


def is_asked(workspace: Workspace, training: TrainedRecord) -> bool:
    """Whether a model waits for a human's answer."""
    request = request_about(workspace, training)
    return request is not None and _needs_human(workspace.settings, request.evidence)


def _needs_human(settings: Settings, evidence: GateEvidence) -> bool:
    """Whether only a human can say yes: to every model, or to this one because its table is suspect."""
    asks = evidence.is_suspect and settings.promotion_on_suspect == "ask"
    return settings.promotion_approval == "manual" or asks


def request_about(workspace: Workspace, training: TrainedRecord) -> AskedRecord | None:
    """The request to a human about the model of a training, open or not; None if there was none."""
    return workspace.ledger.find(AskedRecord, Identity.of_request(training.run_id, training.at))


def _ask(workspace: Workspace, judged: JudgedInputs, evidence: GateEvidence, reason: str) -> AskedRecord:
    assert judged.trained_at is not None
    number, iris = judged.version, workspace.settings.command
    record = AskedRecord(
        identity=Identity.of_request(judged.run_id or "", judged.trained_at),
        by=workspace.actor,
        reason=reason,
        inputs=judged,
        outputs=AskedRecord.Outputs(
            answer=f"{iris} approve {number} --reason …, or {iris} refuse {number} --reason …",
            may_answer=MAY_ANSWER,
        ),
        evidence=evidence,
    )
    return workspace.ledger.commit(record).standing(AskedRecord)


def _verdict_on(ledger: Ledger, request: AskedRecord) -> VerdictRecord | None:
    return ledger.find(VerdictRecord, judgement.verdict_identity(request.inputs))


def replace_older(workspace: Workspace) -> AskedRecord | None:
    """Record that the request about the newest model replaces the others.

    :returns: the request that stays open.
    """
    found = sorted(open_requests(workspace.ledger), key=lambda request: request.age)
    for request in found[:-1]:
        newer = f"version {found[-1].inputs.version}, of newer data, was asked about"
        _record_replaced(workspace, request, newer)
    return found[-1] if found else None


def close_older(workspace: Workspace, verdict: VerdictRecord) -> None:
    """Record that a verdict that stages a model closes the requests about older models."""
    if not verdict.stages:
        return
    for request in list(open_requests(workspace.ledger)):
        if request.age < verdict.age:
            newer = f"version {verdict.inputs.version}, of newer data, was staged"
            _record_replaced(workspace, request, newer)


def _record_replaced(workspace: Workspace, request: AskedRecord, newer: str) -> None:
    record = VerdictRecord(
        identity=judgement.verdict_identity(request.inputs),
        outcome=Outcome.SUPERSEDED,
        by=workspace.actor,
        reason=f"nobody had answered when {newer}",
        inputs=request.inputs,
        evidence=request.evidence,
    )
    _carry_out(workspace, workspace.ledger.commit(record).standing(VerdictRecord))


def _carry_out(workspace: Workspace, verdict: VerdictRecord) -> None:
    """Apply a verdict, unless it was applied before or somebody deleted the version."""
    with tracking.asking("Applying a verdict", workspace.settings):
        mlflow_client = tracking.client(workspace.settings)
        found = registry.find_of_run(mlflow_client, *verdict.inputs.named)
        if found is not None and APPLIED_TAG not in found.tags:
            judgement.carry_out(workspace, found, verdict)


def answer(workspace: Workspace, version: int, approval: Approval) -> VerdictRecord:
    """Record a human's answer as the verdict on a model version, and carry it out.

    An approval does not overrule the gate: the model is judged again if another champion is staged than the
    one in the evidence, or if a limit or the metric has changed. To finish an answer that died half-way, give
    it again.

    :raises PromotionRefused: nobody is asked about this version, it is gone, or the gate says no by now.
    :raises RegistryError: MLflow does not answer.
    """
    newest = replace_older(workspace)
    request = _request_named(workspace, version, newest)
    standing = _verdict_on(workspace.ledger, request)
    verdict = standing or _answered(workspace, request, approval)
    _carry_out(workspace, verdict)
    if not _says(verdict, approval) or verdict.stages != approval.approved:
        hint = _hint(newest) if newest != request else ""
        raise PromotionRefused(f"{_name(request)} is {verdict.outcome}: {verdict.reason}.{hint}")
    return verdict


def _says(verdict: VerdictRecord, approval: Approval) -> bool:
    """Whether a verdict rests on this answer."""
    evidence = verdict.evidence
    given = evidence.approval if isinstance(evidence, GateEvidence) else None
    return given is not None and (given.approved, given.by) == (approval.approved, approval.by)


def _request_named(workspace: Workspace, version: int, newest: AskedRecord | None) -> AskedRecord:
    """The request about a version, open or not.

    :param newest: the open request, for the message of the error.
    :raises PromotionRefused: nobody was asked about this version.
    """
    for request in islice(workspace.ledger.recent_of(AskedRecord, outcome=Outcome.ASKED), LOOKED_THROUGH):
        if request.inputs.version == version:
            return request
    name = workspace.settings.names.model
    raise PromotionRefused(f"Nobody is asked about version {version} of {name}.{_hint(newest)}")


def _hint(newest: AskedRecord | None) -> str:
    """A sentence that names the open request."""
    if newest is None:
        return " No model waits for an answer."
    return f" Version {newest.inputs.version} waits for one: {newest.outputs.answer}"


def _name(request: AskedRecord) -> str:
    return f"Version {request.inputs.version} of {request.inputs.model}"


def _answered(workspace: Workspace, request: AskedRecord, approval: Approval) -> VerdictRecord:
    assessed = Assessment(request.evidence, passed=True, reason=request.reason)
    if approval.approved:
        version = _asked_about(workspace, request)
        if not _holds(workspace.settings, request.evidence):
            assessed = _assessed_again(workspace, request, version)
    return judgement.record_gate_verdict(workspace, request.inputs, assessed, approval)


def _holds(settings: Settings, evidence: GateEvidence) -> bool:
    """Whether a model would be judged by the same champion and limits now."""
    if evidence.is_suspect and settings.promotion_on_suspect == "refuse":
        return False
    champion, staged = evidence.champion, registry.staged(settings)
    if evidence.threshold != settings.accuracy_threshold or not evidence.is_by(settings.project.metric):
        return False
    if champion is None or staged is None:
        return champion is None and staged is None
    is_same = (champion.version, champion.run_id) == (staged.version, staged.run_id)
    return is_same and champion.margin == settings.promotion_margin


def _assessed_again(workspace: Workspace, request: AskedRecord, version: ModelVersion) -> Assessment:
    training = workspace.ledger.find(TrainedRecord, request.inputs.training)
    if training is None:
        raise PromotionRefused(f"{_name(request)} cannot be judged again: its training record is gone.")
    log.info(
        "%s is judged again: the champion or a limit has changed since it was asked about.", _name(request)
    )
    return judgement.assess(workspace, training, version)


def _asked_about(workspace: Workspace, request: AskedRecord) -> ModelVersion:
    """The version that a request is about.

    :raises PromotionRefused: somebody deleted it.
    """
    with tracking.asking("Reading a model version", workspace.settings):
        found = registry.find_of_run(tracking.client(workspace.settings), *request.inputs.named)
    if found is None:
        iris, number = workspace.settings.command, request.inputs.version
        raise PromotionRefused(
            f"{_name(request)} cannot be staged: somebody deleted it in MLflow. To close the request: "
            f"{iris} refuse {number} --reason …"
        )
    return found
