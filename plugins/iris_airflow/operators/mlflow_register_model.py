"""Registers a trained model with MLflow, and stages it if it passes the gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from iris_airflow.linked import register_model
from iris_airflow.links import REGISTERED
from iris_airflow.steps import noted, run_step

if TYPE_CHECKING:
    from airflow.sdk import Context


class MlflowRegisterModelOperator(BaseOperator):
    """Registers the model of a committed training, judges it once, and moves stage and alias.

    If the model is refused, the task is skipped, so that its outlet sends no event. The reason is in the
    task's XCom `note` (the task SDK has no call to write the note that the UI shows) and in its log; the
    evidence is in the ledger and on the training run. The task is also skipped if a human is asked: `iris
    approve` stages the model later. Repeating the task changes nothing. Links lead to the version and to the
    evidence, also of a model that is not staged.

    :param trained: the result of the training task; its `identity` is the path of the ledger record.
    :param project: the project's name; "" stands for the default project.
    """

    template_fields: Sequence[str] = ("trained", "project")
    operator_extra_links = REGISTERED
    ui_color = "#d8ecff"

    def __init__(self, *, trained: Any, project: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trained = trained
        self.project = project

    def execute(self, context: Context) -> dict[str, Any]:
        """Return model, version and reason, and attach them to the outlet's event."""
        from iris_core.ledger.look import announced

        with noted(context):
            staged: dict[str, Any] = run_step(self.project, register_model, self.trained["identity"])
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = staged | announced([])
        return staged
