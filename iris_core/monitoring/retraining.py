"""Requests one retraining after an alert, if `RETRAIN_ON_DRIFT` is on.

The request is a ledger record of kind `action`; the training DAG finds it there, whether or not the asset
event about it arrives. The new model must pass the gate like any other. `retrain_policy` prevents loops: one
request for each version of the training data, a cooldown, and a daily budget.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from iris_core import models, training
from iris_core.errors import NothingOwed
from iris_core.ledger import Identity, Outcome, Record
from iris_core.ledger.recorded import OPENING, UNSOUND
from iris_core.ledger.records.action import RetrainRecord
from iris_core.ledger.records.drift import DriftRecord
from iris_core.ledger.workspace import Workspace
from iris_core.monitoring import verdicts
from iris_core.monitoring.isolated import may_alert
from iris_core.monitoring.retrain_policy import Decision, Past, Policy, decide
from iris_core.monitoring.verdicts import Series
from iris_core.store.objects import ObjectVersion
from iris_core.training.requests import last_training, owed_retraining, requested_retrainings

LOOKED_BACK = timedelta(days=2)
"""Alerts older than this and the cooldown together request nothing. The daily run sees each alert in time."""

TOLD_AGAIN_AFTER = timedelta(minutes=1)
"""The time that an asset event may take to start its run."""


def request(workspace: Workspace) -> dict[str, Any]:
    """Request a retraining when a recent verdict on the staged model alerts.

    A request that still waits is returned again, since its event may be lost: to a retry of the run that made
    it, and to any other run once it has waited for `TOLD_AGAIN_AFTER`.

    :returns: the path of the request, the training data and the reason.
    :raises NothingOwed: retraining is off, nothing alerts, or it is not allowed now; the message says why.
    """
    if not workspace.settings.retrain_on_drift:
        raise NothingOwed("RETRAIN_ON_DRIFT is off.")
    if owed_retraining(workspace, training.training_scope(workspace.settings)):
        return _told_again(workspace, next(requested_retrainings(workspace.ledger)))
    verdict = _alerting(workspace)
    standing = workspace.ledger.get(Identity.of_retraining(verdict.identity))
    if standing:
        raise NothingOwed(f"{standing.outcome}: {standing.reason}")
    data = _trainable(workspace)
    decision = _decided(workspace, data)
    if not decision.is_allowed and not decision.is_final:
        raise NothingOwed(f"No retraining now: {decision.reason}.")
    record = _commit(workspace, verdict, data, decision)
    if not isinstance(record, RetrainRecord) or record.outcome != Outcome.REQUESTED:
        raise NothingOwed(f"{record.outcome}: {record.reason}")
    return _summary(record)


def _told_again(workspace: Workspace, waiting: RetrainRecord) -> dict[str, Any]:
    """Return a waiting request again, but not so soon that parallel drift runs each wake a training for it.

    :raises NothingOwed: another run has just made the request.
    """
    is_mine = waiting.by.run_id == workspace.actor.run_id
    if not is_mine and timedelta(0) <= datetime.now(UTC) - waiting.at < TOLD_AGAIN_AFTER:
        raise NothingOwed(f"A retraining on {waiting.about.uri} was asked for by run {waiting.by.run_id}.")
    return _summary(waiting)


def _alerting(workspace: Workspace) -> DriftRecord:
    """The newest verdict on the staged model that alerts.

    :raises NothingOwed: no model is staged, or no recent verdict on it alerts.
    """
    settings, staged = workspace.settings, models.staged(workspace.settings)
    if staged is None:
        raise NothingOwed("No model is staged: nothing to retrain.")
    since = datetime.now(UTC) - LOOKED_BACK - timedelta(hours=settings.retrain_cooldown_hours)
    asked = [
        identity
        for about_performance in (False, True)
        for identity in verdicts.recent_violations(
            settings, workspace.ledger, Series(staged.variant, about_performance), since
        )
    ]
    possible = may_alert(settings, workspace.ledger, asked)
    judged = verdicts.with_debounce(settings, verdicts.near(settings, workspace.ledger, possible))
    alerting = [record for record, state in judged if state.alert and record.at >= since]
    if not alerting:
        raise NothingOwed("No alert about the staged model: nothing to retrain for.")
    return alerting[-1]


def _trainable(workspace: Workspace) -> ObjectVersion:
    """The newest training data, if a model has been trained on it; of the same content, that trained on.

    :raises NothingOwed: there is none, it has not been trained on yet, or it was rejected or failed.
    """
    source = training.training_source(workspace.settings)
    data = source.newest(workspace.store)
    if data is None:
        raise NothingOwed(f"There is no training data at s3://{source.bucket}/{source.key} to train on.")
    last = last_training(workspace.ledger, data)
    if last is None or last.outcome in OPENING:
        raise NothingOwed(f"{data.uri} has not been trained on yet: that comes first.")
    if last.outcome in UNSOUND:
        raise NothingOwed(f"{data.uri} was {last.outcome}: correct it and upload it again. {last.reason}")
    return last.about


def _decided(workspace: Workspace, data: ObjectVersion) -> Decision:
    past = [Past(record.at, record.about.digest) for record in requested_retrainings(workspace.ledger)]
    settings = workspace.settings
    policy = Policy(timedelta(hours=settings.retrain_cooldown_hours), settings.retrain_budget)
    return decide(past, data.digest, datetime.now(UTC), policy)


def _commit(workspace: Workspace, verdict: DriftRecord, data: ObjectVersion, decision: Decision) -> Record:
    settings = workspace.settings
    record = RetrainRecord(
        identity=Identity.of_retraining(verdict.identity),
        outcome=Outcome.REQUESTED if decision.is_allowed else Outcome.STOPPED,
        by=workspace.actor,
        reason=f"{data.uri}: {decision.reason}. {verdict.reason}",
        inputs=RetrainRecord.Inputs(verdict=verdict.identity.path, model=verdict.model, object=data),
        evidence=RetrainRecord.Evidence(
            severity=verdict.outcome,
            cooldown_hours=settings.retrain_cooldown_hours,
            budget=settings.retrain_budget,
        ),
    )
    return workspace.ledger.commit(record).record


def _summary(record: RetrainRecord) -> dict[str, Any]:
    return {
        "request": record.identity.path,
        "data": record.about.uri,
        "severity": record.evidence.severity,
        "reason": record.reason,
    }
