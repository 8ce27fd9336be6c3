"""Performance drift from labels that came later: a drift record for each model version they speak of."""

from __future__ import annotations

from typing import Any

from iris_core import verdicts
from iris_core.drift.performance import Answered, performance_verdict
from iris_core.labels.matching import ModelPerformance
from iris_core.ledger import Identity, Record
from iris_core.promotion import ModelRef
from iris_core.storage import ObjectVersion
from iris_core.workspace import Workspace

INSUFFICIENT = "insufficient"


def identity_of(measured: Identity, model: ModelRef) -> Identity:
    """The identity of the verdict on what one file of labels says of one model version."""
    variant = f"{verdicts.PERFORMANCE}-{measured.variant}"
    return Identity("drift", measured.day, f"{measured.subject}-{model.variant}", variant)


def judge(workspace: Workspace, measured: Identity, labels: ObjectVersion, found: ModelPerformance) -> Record:
    """Record the verdict on one model version: its accuracy against that of the holdout it was judged by.

    :param measured: the identity of the `performance` record, which is committed after its verdicts: a
        killed attempt's are found by the next one.
    """
    model = found.model
    identity = identity_of(measured, model)
    inputs = {
        "performance": measured.path,
        "current": labels.model_dump(mode="json"),
        "model": model.model_dump(mode="json"),
    }
    reference = _holdout(workspace, model)
    if isinstance(reference, str):
        evidence = {"sentence": reference, "columns": []}
        return workspace.ledger.commit(
            identity, INSUFFICIENT, workspace.actor, reason=reference, inputs=inputs, evidence=evidence
        ).record
    right = sum(row.get(label, 0) for label, row in found.agreement.items())
    verdict = performance_verdict(reference, Answered(rows=found.joined, right=right))
    order = verdicts.order_of(labels.model_dump(mode="json"), identity.path)
    series = verdicts.Series(model.variant, verdicts.PERFORMANCE)
    debounce = verdicts.debounced_now(workspace, series, order, verdict.severity)
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


def _holdout(workspace: Workspace, model: ModelRef) -> Answered | str:
    """The model's answers on its holdout, or why they are not known."""
    name = f"{model.name} version {model.version}"
    if not model.training:
        return f"{name} was registered by hand: its accuracy on a holdout is unknown."
    training = workspace.ledger.get(Identity.parse(model.training))
    if training is None or "accuracy" not in training.evidence:
        return f"The training record {model.training} of {name} is gone."
    rows = int(training.evidence["holdout_rows"])
    return Answered(rows=rows, right=round(training.evidence["accuracy"] * rows))
