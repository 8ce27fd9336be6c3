"""A human's approval between the gate's verdict and the staging."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import task

from iris_airflow.steps import noted, run_step

ASKED_FOR = timedelta(days=1)
APPROVE = "Approve"
REJECT = "Reject"


def ask_human(trained: Any) -> Any:
    """Two tasks: `assess` runs the gate and skips what it refuses, `approve` waits for an answer.

    No answer in time is a rejection, answered by nobody.

    :param trained: what the training task returned.
    :returns: the answer, for `MlflowRegisterModelOperator`.
    """
    from airflow.providers.standard.operators.hitl import HITLOperator

    @task(max_active_tis_per_dag=1)
    def assess(trained: dict[str, Any]) -> Any:
        from airflow.sdk import get_current_context

        from iris_core import promotion

        with noted(get_current_context()):
            return run_step(promotion.assess_step, trained["identity"], ASKED_FOR)

    asked = assess(trained)
    approve = HITLOperator(
        task_id="approve",
        subject="{{ ti.xcom_pull(task_ids='assess')['subject'] }}",
        body="{{ ti.xcom_pull(task_ids='assess')['body'] }}",
        options=[APPROVE, REJECT],
        defaults=REJECT,
        response_timeout=ASKED_FOR,
    )
    asked >> approve
    return approve.output
