"""Performance drift from labels that came later: a drift record for each model version they speak of."""

from __future__ import annotations

import logging
from typing import Any

from iris_core import labels
from iris_core.drift.performance import Answered, performance_verdict
from iris_core.errors import DataRejected, NothingOwed, ObjectMissing
from iris_core.labels.matching import ModelPerformance
from iris_core.ledger.ledger import Identity, Record
from iris_core.ledger.workspace import Workspace
from iris_core.models.registry import ModelRef
from iris_core.monitoring import verdicts
from iris_core.store.objects import ObjectVersion

log = logging.getLogger(__name__)

INSUFFICIENT = "insufficient"


def join_labels(workspace: Workspace) -> list[dict[str, Any]]:
    """Join all labels that are owed, and judge what they say; a bad file does not hold the others.

    :returns: the verdicts on performance that were recorded: severity, sentence, record.
    :raises NothingOwed: there is nothing to judge; the message says why.
    :raises DataRejected: no file could be used; each is recorded and quarantined first.
    """
    trouble: list[DataRejected] = []
    done: list[labels.Joined] = []
    for one in labels.owed(workspace):
        try:
            joined = labels.measure(workspace, one, judge)
        except ObjectMissing as error:
            log.warning("%s", error)
        except DataRejected as error:
            log.warning("%s", error)
            trouble.append(error)
        else:
            done += [joined] if joined else []
    if trouble and not done:
        raise trouble[0]
    verdicts = [summary(record) for joined in done for record in joined.verdicts]
    if not verdicts:
        where = f"s3://{workspace.settings.bucket}/{workspace.settings.labels_prefix}"
        raise NothingOwed(done[-1].record.reason if done else f"All labels at {where} have their record.")
    return verdicts


def identity_of(measured: Identity, model: ModelRef) -> Identity:
    """The identity of the verdict on what one file of labels says of one model version."""
    variant = f"{verdicts.PERFORMANCE}-{measured.variant}"
    return Identity("drift", measured.day, f"{measured.subject}-{model.variant}", variant)


def judge(
    workspace: Workspace, measured: Identity, version: ObjectVersion, found: ModelPerformance
) -> Record:
    """Record the verdict on one model version: its accuracy against that of the holdout it was judged by.

    :param measured: the identity of the `performance` record, which is committed after its verdicts: a
        killed attempt's are found by the next one.
    """
    model = found.model
    identity = identity_of(measured, model)
    inputs = {
        "performance": measured.path,
        "current": version.model_dump(mode="json"),
        "model": model.model_dump(mode="json"),
    }
    reference = holdout_answers(workspace, model)
    if isinstance(reference, str):
        evidence = {"sentence": reference, "columns": []}
        return workspace.ledger.commit(
            identity, INSUFFICIENT, workspace.actor, reason=reference, inputs=inputs, evidence=evidence
        ).record
    right = sum(row.get(label, 0) for label, row in found.agreement.items())
    verdict = performance_verdict(reference, Answered(rows=found.joined, right=right))
    order = verdicts.order_of(version.model_dump(mode="json"), identity.path)
    series = verdicts.Series(model.variant, verdicts.PERFORMANCE)
    debounce = verdicts.debounced_now(workspace, series, order, verdict.severity, verdict.chance)
    return workspace.ledger.commit(
        identity,
        verdict.severity,
        workspace.actor,
        reason=verdict.sentence,
        inputs=inputs,
        evidence={**verdict.model_dump(mode="json"), "debounce": debounce.model_dump(mode="json")},
    ).record


def summary(record: Record) -> dict[str, Any]:
    """What a task returns of a verdict."""
    return {
        "verdict": record.identity.path,
        "severity": record.outcome,
        "sentence": record.reason,
        "report": "",
    }


def holdout_answers(workspace: Workspace, model: ModelRef) -> Answered | str:
    """The model's answers on its holdout, or why they are not known."""
    name = f"{model.name} version {model.version}"
    if not model.training:
        return f"{name} was registered by hand: its accuracy on a holdout is unknown."
    training = workspace.ledger.get(Identity.parse(model.training))
    if training is None or "accuracy" not in training.evidence:
        return f"The training record {model.training} of {name} is gone."
    rows = int(training.evidence["holdout_rows"])
    return Answered(rows=rows, right=round(training.evidence["accuracy"] * rows))
