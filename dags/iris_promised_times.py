"""
### Watch promised times

Every minute: finds what has landed and has had no verdict for longer than `VERDICT_WITHIN`, and tells it once on the
channels. It is computed from bucket and ledger, so it does not matter whether an event was lost, the triggerer does
not run, or a task hangs. Projects without `VERDICT_WITHIN` have no such DAG.

| task | does | ends early when |
|---|---|---|
| late | records each late version once in the ledger (`late`), and delivers the messages about it to webhook, Slack, e-mail; what a channel refuses is delivered by the next run | nothing is late, or all of it was told: skipped |

A verdict is: for training data the decision about its model, for inference data the drift verdict, for labels their
joining; whatever ends the work earlier is one, too (`rejected`, `unchanged`, `superseded`, `failed`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from iris_airflow.addresses import page_sentence
from iris_airflow.steps import keep_promises, run_step
from iris_core.settings.variables import Settings, load_deployment


def define(settings: Settings) -> None:
    """The DAG of one project."""
    project = settings.project.full_name

    @dag(
        dag_id=settings.names.promise_dag,
        schedule=CronTriggerTimetable("* * * * *", timezone="UTC"),
        start_date=datetime(2026, 1, 1),
        catchup=False,
        max_active_runs=1,
        tags=[*settings.project.tags, "promised times"],
        doc_md=__doc__ + page_sentence(project),
    )
    def iris_promised_times() -> None:
        @task(execution_timeout=timedelta(minutes=5))
        def late() -> Any:
            return run_step(project, keep_promises)

        late()

    iris_promised_times()


for found in load_deployment().projects:
    if found.verdict_within:
        define(found)
