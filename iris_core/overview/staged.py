"""The staged model: its evidence, where it came from, and the decisions about models so far."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from iris_core.history.queries import staged_at
from iris_core.ledger import Identity, Ledger
from iris_core.ledger.records.gate import Champion, GateEvidence
from iris_core.ledger.records.promotion import (
    AskedRecord,
    PromotionRecord,
    RollbackRecord,
    VerdictRecord,
)
from iris_core.ledger.records.training import TrainedRecord
from iris_core.ledger.requests import open_requests
from iris_core.ledger.workspace import Workspace
from iris_core.models.alias import aliased
from iris_core.overview.recent import Recent
from iris_core.overview.trace import Shown, Trace

APPLIED = timedelta(minutes=1)
"""A decision is recorded first, and then carried out: until then the alias says nothing."""


class Rival(Shown):
    """A version that the model was compared with, on the same rows; scores are in the declared metric.

    `gain` is the model's score minus this one's, `low` and `high` its interval, `margin` the tolerated loss.
    """

    version: int
    score: float
    model_score: float
    gain: float
    low: float
    high: float
    margin: float
    rows: int


class GateScore(Shown):
    """What the gate measured of a model on its holdout: the score in the declared metric, with its interval.

    `suspicion` is empty where nothing is suspect. `floor` is the share of the majority class.
    """

    metric: str
    score: float
    low: float
    high: float
    level: float
    threshold: float
    rows: int
    floor: float
    majority: str
    recalls: dict[str, float | None]
    champion: Rival | None = None
    no_champion: str = ""
    anchor: Rival | None = None
    suspicion: str = ""
    approval: str = ""


class StagedModel(Shown):
    """The version that the ledger's decisions stage.

    `trace` is the decision that staged it, `verdict` the gate's where that is another one, `training` the
    training that it came of. `rows` are those of the training table, the holdout included. `aliased` is the
    version that MLflow's alias names now, and so the one that scores: 0 if it names none, None if MLflow did
    not say.
    """

    name: str
    version: int
    mlflow_run: str
    trace: Trace
    verdict: Trace | None
    training: Trace | None
    rows: int | None
    measured: GateScore | None
    aliased: int | None = None

    @property
    def is_moved(self) -> bool:
        """Whether somebody moved the alias by hand, so that another version scores, or none."""
        return self.aliased not in (None, self.version)


class ModelDecision(Shown):
    """A decision about a model version: promoted, refused, rolled back, asked, superseded."""

    trace: Trace
    version: int
    score: float | None = None
    low: float | None = None
    high: float | None = None
    from_version: int | None = None


class WaitingModel(Shown):
    """A model that passed the gate and waits for a human's answer."""

    trace: Trace
    version: int
    answer: str
    measured: GateScore


def staged_model(workspace: Workspace, now: datetime) -> StagedModel | None:
    """The version that is staged by the ledger's decisions, with its evidence; None if none is.

    :param workspace: where the decisions are, and MLflow's address.
    :param now: the time that is asked about.
    """
    ledger = workspace.ledger
    decision = staged_at(ledger, now)
    if decision is None:
        return None
    verdict = _verdict_on(ledger, decision)
    evidence = verdict.evidence if verdict else None
    training = ledger.find(TrainedRecord, decision.model.training)
    return StagedModel(
        name=decision.model.name,
        version=decision.model.version,
        mlflow_run=decision.model.run_id,
        trace=Trace.of(decision),
        verdict=Trace.of(verdict) if verdict and verdict is not decision else None,
        training=Trace.of(training) if training else None,
        rows=training.evidence.rows if training else None,
        measured=_score_of(evidence) if isinstance(evidence, GateEvidence) else None,
        aliased=aliased(workspace.settings) if now - decision.at > APPLIED else None,
    )


def model_decisions(recent: Recent) -> list[ModelDecision]:
    """The newest decisions about models, newest first."""
    return [_decision(record) for record in recent.of(PromotionRecord)]


def waiting_models(ledger: Ledger) -> list[WaitingModel]:
    """Models that wait for a human's answer, newest first."""
    return [
        WaitingModel(
            trace=Trace.of(request),
            version=request.model.version,
            answer=request.outputs.answer,
            measured=_score_of(request.evidence),
        )
        for request in open_requests(ledger)
    ]


def _verdict_on(ledger: Ledger, decision: PromotionRecord) -> VerdictRecord | None:
    """The gate's verdict on the model that a decision stages."""
    given = decision.inputs
    if isinstance(decision, VerdictRecord):
        return decision
    if not given.run_id or not given.trained_at:
        return None
    return ledger.find(VerdictRecord, Identity.of_verdict(given.run_id, given.trained_at))


def _decision(record: PromotionRecord) -> ModelDecision:
    found = record.evidence if isinstance(record, VerdictRecord | AskedRecord) else None
    measured = _score_of(found) if isinstance(found, GateEvidence) else None
    before = record.inputs.from_version if isinstance(record, RollbackRecord) else None
    return ModelDecision(
        trace=Trace.of(record),
        version=record.model.version,
        score=measured.score if measured else None,
        low=measured.low if measured else None,
        high=measured.high if measured else None,
        from_version=before or None,
    )


def _score_of(evidence: GateEvidence) -> GateScore:
    (score, interval), approval = evidence.judged, evidence.approval
    return GateScore(
        metric=evidence.metric,
        score=score,
        low=interval.low,
        high=interval.high,
        level=interval.level,
        threshold=evidence.threshold,
        rows=evidence.holdout_rows,
        floor=evidence.floor.majority_accuracy,
        majority=evidence.floor.majority,
        recalls={one.name: one.recall for one in evidence.classes},
        champion=_rival(evidence.champion),
        no_champion=evidence.no_champion,
        anchor=_rival(evidence.anchor),
        suspicion=evidence.suspicion,
        approval=approval.sentence if approval else "",
    )


def _rival(found: Champion | None) -> Rival | None:
    if found is None:
        return None
    ours, theirs = found.shown
    return Rival(
        version=found.version,
        score=theirs,
        model_score=ours,
        gain=found.gain,
        low=found.difference.low,
        high=found.difference.high,
        margin=found.margin,
        rows=found.pairs.rows,
    )


def staged_times(decisions: Sequence[ModelDecision]) -> dict[int, datetime]:
    """When each version was first staged, of those that these decisions stage."""
    staging = (one for one in decisions if one.trace.outcome in ("promoted", "rolled back"))
    return {one.version: one.trace.at for one in staging}
