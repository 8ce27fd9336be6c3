"""From a registered model to a verdict in the ledger: draw the holdout, measure, store, judge, commit."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iris_core.errors import ObjectMissing
from iris_core.ledger import Identity, ModelRef, Outcome
from iris_core.ledger.records.gate import Approval, GateEvidence, Holdout
from iris_core.ledger.records.objects import TrainingSettings
from iris_core.ledger.records.promotion import JudgedInputs, VerdictRecord
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.workspace import Workspace
from iris_core.models import tracking
from iris_core.models.card import card_of
from iris_core.models.card_page import card_page
from iris_core.models.holdout import Split
from iris_core.models.loading import loaded
from iris_core.models.mlflow_runs import log_batch
from iris_core.models.registry import ALIAS, STAGE, reference
from iris_core.promotion import staging
from iris_core.promotion.doubts import listed_doubts
from iris_core.promotion.gate import Verdict, gate_verdict
from iris_core.promotion.importance import importance_of
from iris_core.promotion.measurement import Limits, measure_model
from iris_core.promotion.rivals import anchor_answers, champion_answers, drawn
from iris_core.settings.project import Project
from iris_core.settings.variables import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

EVIDENCE_FILE = "promotion/evidence.json"
CARD_FILES = ("promotion/model_card.json", "promotion/model_card.html")


@dataclass(frozen=True)
class Assessment:
    """The evidence about a model, and the gate's verdict. No evidence if the holdout cannot be drawn
    again."""

    evidence: GateEvidence | None
    passed: bool
    reason: str


def verdict_on(workspace: Workspace, training: TrainedRecord) -> VerdictRecord | None:
    """The recorded verdict on the model of a training; None if there is none."""
    return workspace.ledger.find(VerdictRecord, Identity.of_verdict(training.run_id, training.at))


def verdict_identity(judged: JudgedInputs) -> Identity:
    """The identity of the verdict on a model version."""
    assert judged.trained_at is not None
    return Identity.of_verdict(judged.run_id or "", judged.trained_at)


def assess(workspace: Workspace, training: TrainedRecord, version: ModelVersion) -> Assessment:
    """Measure a model on its holdout, store the evidence on its run, and judge it. Records no verdict.

    :raises RegistryError: MLflow does not answer.
    """
    challenger = reference(version)
    try:
        parts = drawn(workspace, training)
    except ObjectMissing as error:
        return Assessment(None, False, f"its holdout cannot be drawn again: {error}")
    settings = workspace.settings
    limits = limits_of(settings)
    champion = champion_answers(workspace, challenger, parts)
    answers, none_because = (None, champion) if isinstance(champion, str) else (champion, "")
    anchor = anchor_answers(workspace, challenger, answers, parts) if answers else None
    with loaded(settings, workspace.ledger, challenger) as found:
        table = settings.project.table
        holdout = holdout_of(training.about.uri, parts, training.inputs.config)
        evidence = measure_model(
            table, parts, holdout, found.estimator, limits, answers, none_because, anchor
        )
        metric, seed = limits.metric, holdout.seed
        more: dict[str, Any] = {"importance": importance_of(metric, found.estimator, parts.holdout, seed)}
        if evidence.is_suspect:
            more["doubts"] = listed_doubts(workspace, training, parts, found.estimator)
        evidence = evidence.model_copy(update=more)
    verdict = gate_verdict(evidence)
    _store_evidence(workspace, challenger, evidence, verdict)
    return Assessment(evidence, verdict.passed, verdict.reason)


def limits_of(settings: Settings) -> Limits:
    """What this deployment asks of a model."""
    return Limits(settings.accuracy_threshold, settings.promotion_margin, settings.project.metric)


def holdout_of(where: str, parts: Split, config: TrainingSettings) -> Holdout:
    """How a holdout was drawn.

    :param where: the table.
    :param parts: its training rows and holdout.
    :param config: the configuration by which it was split.
    """
    return Holdout(
        object=where,
        digest=parts.holdout.digest(),
        rows=len(parts.holdout),
        learned_rows=len(parts.learned),
        share=config.holdout_share,
        seed=config.seed,
    )


def _store_evidence(workspace: Workspace, model: ModelRef, evidence: GateEvidence, verdict: Verdict) -> None:
    """Store the evidence on the training run, before the verdict is recorded.

    An account that may stage models but not log leaves the run as it is; the verdict's record holds the
    evidence, too.
    """
    from mlflow.exceptions import MlflowException
    from requests import HTTPError

    content = {**evidence.model_dump(mode="json"), "checks": [each.model_dump() for each in verdict.checks]}
    with tracking.asking("Storing the evidence", workspace.settings):
        mlflow_client = tracking.client(workspace.settings)
        tags = {
            "iris.holdout.digest": evidence.holdout.digest,
            "iris.gate": "passed" if verdict.passed else "failed",
            "iris.gate.reason": verdict.reason[:4900],
        }
        try:
            with ThreadPoolExecutor(1) as beside:
                logged = beside.submit(mlflow_client.log_dict, model.run_id, content, EVIDENCE_FILE)
                log_batch(mlflow_client, model.run_id, dict(_gate_metrics(evidence)), tags=tags)
                logged.result()
        except (MlflowException, HTTPError) as error:
            if not tracking.is_refused(error):
                raise
            log.warning("This account may not log: run %s does not get the evidence.", model.run_id)


def carry_out(workspace: Workspace, version: ModelVersion, verdict: VerdictRecord) -> None:
    """Store the version's model card on its run, and apply the verdict. Repeating it changes nothing.

    :raises RegistryError: staging did not settle.
    """
    mlflow_client = tracking.client(workspace.settings)
    training = workspace.ledger.find(TrainedRecord, verdict.inputs.training)
    with ThreadPoolExecutor(1) as beside:
        stored = beside.submit(_store_card, mlflow_client, training, verdict, workspace.settings.project)
        staging.apply_verdict(mlflow_client, version, verdict)
        stored.result()
    staging.note_applied(mlflow_client, version, verdict)


def _store_card(
    mlflow_client: MlflowClient, training: TrainedRecord | None, verdict: VerdictRecord, project: Project
) -> None:
    """Store a model's card on its run. An account that may not log leaves it out: `iris card` makes it again.

    :param mlflow_client: MLflow's client.
    :param training: the record of the model's training; None if it is gone: then there is no card.
    :param verdict: the verdict on the model.
    :param project: the project.
    """
    from mlflow.exceptions import MlflowException
    from requests import HTTPError

    if training is None:
        return
    run_id, card = training.run_id, card_of(training, verdict, project)
    for file, content in zip(CARD_FILES, (card.to_bytes().decode(), card_page(card)), strict=True):
        try:
            mlflow_client.log_text(run_id, content, file)
        except (MlflowException, HTTPError) as error:
            if not tracking.is_refused(error):
                raise
            log.warning("This account may not log: run %s does not get its model card.", run_id)
            return


def _gate_metrics(evidence: GateEvidence) -> Iterator[tuple[str, float]]:
    yield "gate/accuracy", evidence.accuracy
    yield "gate/accuracy_low", evidence.accuracy_interval.low
    if evidence.score is not None:
        yield f"gate/{evidence.metric}_score", evidence.score
    yield "gate/floor_p_value", evidence.floor.p_value
    if evidence.learnable:
        yield "gate/cross_validated_accuracy", evidence.learnable.accuracy
    for each in evidence.classes:
        if each.recall is not None:
            yield f"gate/recall/{each.name}", each.recall
    if champion := evidence.champion:
        yield "gate/champion_accuracy", champion.accuracy
        yield "gate/difference", champion.gain
        yield "gate/difference_low", champion.difference.low
        yield "gate/difference_high", champion.difference.high
    if anchor := evidence.anchor:
        yield "gate/anchor_difference", anchor.gain
    if slide := evidence.slide:
        yield "gate/slide_difference", slide.all_gain


def judged_inputs(training: TrainedRecord, version: ModelVersion) -> JudgedInputs:
    """The inputs of a verdict: the model version, and the training that made it."""
    return JudgedInputs(
        model=version.name,
        version=int(version.version),
        run_id=version.run_id,
        training=training.identity.path,
        trained_at=training.at,
        landed_at=training.about.landed_at,
        object=training.about,
    )


def record_gate_verdict(
    workspace: Workspace, judged: JudgedInputs, assessed: Assessment, approval: Approval | None = None
) -> VerdictRecord:
    """Record the verdict. The first record stands.

    :param judged: the model version.
    :param assessed: the gate's result.
    :param approval: the human's answer, if one was asked.
    :returns: the record that stands.
    """
    passed = assessed.passed and (approval is None or approval.approved)
    evidence = assessed.evidence
    if evidence and approval:
        evidence = evidence.model_copy(update={"approval": approval})
    reasons = [approval.sentence] if approval else []
    record = VerdictRecord(
        identity=verdict_identity(judged),
        outcome=Outcome.PROMOTED if passed else Outcome.REFUSED,
        by=workspace.actor,
        reason="; ".join([*reasons, assessed.reason]),
        inputs=judged,
        outputs=VerdictRecord.Outputs(alias=ALIAS, stage=STAGE) if passed else VerdictRecord.Outputs(),
        evidence=evidence or VerdictRecord.Nothing(),
    )
    return workspace.ledger.commit(record).standing(VerdictRecord)
