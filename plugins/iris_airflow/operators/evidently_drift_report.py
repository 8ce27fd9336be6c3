"""Reports on one scoring: simple statistics, Evidently's tests and page, one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from iris_airflow.linked import report_drift
from iris_airflow.links import REPORTED
from iris_airflow.steps import run_step

if TYPE_CHECKING:
    from airflow.sdk import Context


class EvidentlyDriftReportOperator(BaseOperator):
    """Compares a scored batch with the model's training data; stores report and verdict once.

    Statistics (mean, std, min, max per feature, and the basic severity), Evidently's JSON and its HTML go to
    the drift prefix and to MLflow, the verdict goes to the ledger. Links lead to Evidently's page and to the
    statistics.

    :param scoring: the path of a scoring's ledger record, as returned by the task `unreported`.
    :param project: the project's name; "" stands for the default project.
    """

    template_fields: Sequence[str] = ("scoring", "project")
    operator_extra_links = REPORTED
    ui_color = "#ffe9d6"

    def __init__(self, *, scoring: Any, project: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scoring = scoring
        self.project = project

    def execute(self, context: Context) -> dict[str, Any]:
        """Return severity, sentence and the addresses of report and statistics."""
        reported: dict[str, Any] = run_step(self.project, report_drift, self.scoring)
        return reported
