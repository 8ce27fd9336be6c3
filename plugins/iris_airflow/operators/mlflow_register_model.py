"""Register a trained model with MLflow and stage it when the gate says yes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from iris_airflow.steps import noted, register_model, run_step

if TYPE_CHECKING:
    from airflow.sdk import Context


class MlflowRegisterModelOperator(BaseOperator):
    """Registers the model of a committed training, judges it once, and moves stage and alias.

    A refused model skips the task, so that its outlet sends no event; the reason is in the task's XCom `note`
    (a task cannot write the note that the UI shows beside it: the task SDK has no call for that) and in its
    log, the evidence in the ledger and on the training run. So does one that a human is asked about
    (PROMOTION_APPROVAL=manual): `iris approve` stages it, whenever that is. Repeating it changes nothing.

    :param trained: what the training task returned: `identity` names the ledger record.
    """

    template_fields: Sequence[str] = ("trained",)
    ui_color = "#d8ecff"

    def __init__(self, *, trained: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trained = trained

    def execute(self, context: Context) -> dict[str, Any]:
        """Returns model, version and reason, and attaches them to the outlet's event."""
        with noted(context):
            staged: dict[str, Any] = run_step(register_model, self.trained["identity"])
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = staged
        return staged
