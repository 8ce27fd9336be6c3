"""Does the scored data look like the training data, and who must know if not? Reports, alerts, retraining."""

from __future__ import annotations

from iris_core.monitoring.performance import join_labels
from iris_core.monitoring.report import conclude, plan_reports, report
from iris_core.monitoring.reported import unreported

__all__ = ["conclude", "join_labels", "plan_reports", "report", "unreported"]
