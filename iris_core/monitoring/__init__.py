"""Does what was scored look like what was learned from, and who must be told? Reports, alerts, retraining."""

from __future__ import annotations

from iris_core.monitoring.performance import join_labels
from iris_core.monitoring.report import pending, report, unreported, worst

__all__ = ["join_labels", "pending", "report", "unreported", "worst"]
