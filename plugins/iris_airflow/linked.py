"""Core functions whose tasks show links to what they made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from iris_airflow.addresses import object_of, page_of, record_of, version_of
from iris_airflow.links import (
    EvidenceLink,
    ManifestLink,
    ModelVersionLink,
    PredictionsLink,
    ReportLink,
    StatisticsLink,
    show,
)

if TYPE_CHECKING:
    from iris_core.ledger.workspace import Workspace
    from iris_core.scoring import Handed


MADE = ("report", "statistics")


def register_model(opened: Workspace, training: str) -> dict[str, Any]:
    """Judge the model of a training and stage it; if a human must answer, send the request, do not wait.

    Links lead to the version and to the evidence, also of a model that is refused or asked about.
    """
    from iris_airflow.notifiers.channels import channels
    from iris_core import promotion
    from iris_core.errors import ApprovalAwaited, PromotionRefused
    from iris_core.monitoring import alerts

    try:
        staged = promotion.register_step(opened, training)
    except ApprovalAwaited:
        alerts.deliver_requests(opened, channels(opened.settings))
        _show_decision(opened, training)
        raise
    except PromotionRefused:
        _show_decision(opened, training)
        raise
    _show_decision(opened, training)
    return staged


def _show_decision(opened: Workspace, training: str) -> None:
    from iris_core import promotion

    project = opened.settings.project.full_name
    if decided := promotion.decision_on(opened, training):
        show(
            {
                ModelVersionLink: version_of(project, decided.model.version),
                EvidenceLink: record_of(project, decided.identity.path),
            }
        )


def publish_scored(opened: Workspace, scored: Iterable[Handed]) -> list[dict[str, Any]]:
    """Publish what a run scored; links lead to predictions and manifest."""
    from iris_core import scoring

    published = scoring.publish_handed(opened, scored)
    settings = opened.settings
    project = settings.project.full_name
    if len(published) == 1:
        [one] = published
        manifest = scoring.manifest_uri(settings, one["scoring"])
        predictions, manifest = object_of(project, one["predictions"]), object_of(project, manifest)
    else:
        predictions = manifest = page_of(project)
    show({PredictionsLink: predictions, ManifestLink: manifest})
    return published


def report_drift(opened: Workspace, scoring: str) -> dict[str, Any]:
    """Report on one scoring; links lead to Evidently's page and to the statistics, where they were made."""
    from iris_core import monitoring

    reported = monitoring.report(opened, scoring)
    project = opened.settings.project.full_name
    report, statistics = (reported[name] and object_of(project, reported[name]) for name in MADE)
    show({ReportLink: report, StatisticsLink: statistics})
    return reported
