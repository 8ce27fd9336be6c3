"""Register a trained model with MLflow and stage it when the gate says yes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from iris_airflow.steps import run_step

if TYPE_CHECKING:
    from airflow.sdk import Context


class MlflowRegisterModelOperator(BaseOperator):
    """Registers the model of a committed training, judges it once, and moves stage and alias.

    A refused model skips the task, so that its outlet sends no event; the evidence is in the ledger and on
    the model version. Repeating it changes nothing.

    :param trained: what the training task returned: `identity` names the ledger record.
    """

    template_fields: Sequence[str] = ("trained",)
    ui_color = "#d8ecff"

    def __init__(self, *, trained: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trained = trained

    def execute(self, context: Context) -> dict[str, Any]:
        """Returns model, version and reason, and attaches them to the outlet's event."""
        from iris_core import promotion

        staged: dict[str, Any] = run_step(promotion.register_step, self.trained["identity"])
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = staged
        return staged
