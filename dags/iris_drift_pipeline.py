"""
### Monitor drift

New predictions (`predictions`) or late labels (`labels`) start this DAG, which then looks at what the events name. Once a
day it looks at everything. What is owed is computed: a drift record per scoring, a performance record per file of labels.

`wait → unreported → report (one task per scoring) → verdict → alert, request_retraining → outcome`
`wait → join_labels → alert, request_retraining → outcome`

| task | does | ends early when |
|---|---|---|
| wait_for_predictions | waits for predictions, deferred | |
| unreported | lists the scorings without a drift record | nothing is owed: skipped |
| report | compares the scored batch with the model's training data: simple statistics (mean, std, min, max), Evidently's tests and page, one verdict | |
| join_labels | joins labels to past predictions by their key: accuracy, precision, recall of each model version; judges the loss of accuracy against the holdout | no labels are owed: skipped; bad labels are quarantined; the task fails if no file could be used |
| verdict | returns the worst severity of this run, in a sentence, and whether it alerts: `DRIFT_VIOLATIONS` of the model's last `DRIFT_WINDOW` batches at `DRIFT_ALERT_SEVERITY` or worse | |
| alert | delivers the owed alerts to webhook, Slack, e-mail | none is owed or no channel is configured: skipped |
| request_retraining | with `RETRAIN_ON_DRIFT`, requests a training on the newest data: once for each version of it, with cooldown and daily budget | it is off, nothing alerts, or the policy says no: skipped, no event |
| outcome | does nothing, but fails the run if any task failed: the leaves decide a run's state | |

`alert` and `request_retraining` look at the ledger, even if the tasks before them failed. A run reports on as many
scorings as Airflow maps; the rest stays owed, and `verdict` starts the next run for it at once (`predictions_rest`).
Statistics, Evidently's JSON and HTML go to the drift prefix and to MLflow, the verdict to the ledger. The outlet
`retrain_request` starts training; its model must pass the gate like any other.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TriggerRule, dag, task

from iris_airflow import steps
from iris_airflow.addresses import page_sentence
from iris_airflow.assets import assets, daily_or, rest_of
from iris_airflow.deadlines import promised
from iris_airflow.operators.evidently_drift_report import EvidentlyDriftReportOperator
from iris_airflow.sensors.s3_key import S3KeySensor, below
from iris_core.settings.variables import Settings, load_deployment


def define(settings: Settings) -> None:
    """The DAG of one project."""
    asset, project = assets(settings), settings.project.full_name
    rest = rest_of(asset.predictions)

    @dag(
        dag_id=settings.names.drift_dag,
        schedule=daily_or(asset.predictions | asset.labels),
        start_date=datetime(2026, 1, 1),
        catchup=False,
        deadline=promised(settings),
        default_args=steps.DEFAULT_ARGS,
        tags=[*settings.project.tags, "drift"],
        doc_md=__doc__ + page_sentence(project),
    )
    def iris_drift_pipeline() -> None:
        @task(inlets=[asset.predictions])
        def unreported() -> Any:
            from iris_core import monitoring

            look = steps.look_of(project, asset.predictions)
            return steps.run_portion(project, monitoring.plan_reports, look)

        @task(outlets=[asset.drift_report], max_active_tis_per_dag=1, execution_timeout=timedelta(hours=1))
        def join_labels() -> Any:
            from iris_core import monitoring

            joined = steps.run_step(project, monitoring.join_labels, steps.look_of(project, asset.labels))
            return steps.name_in_event(asset.drift_report, joined, "verdict")

        @task(outlets=[asset.drift_report, rest], trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
        def verdict(reports: Any) -> Any:
            from iris_core import monitoring

            worst = steps.run_step(project, monitoring.conclude, list(reports))
            return steps.rest_is_next(
                steps.name_in_event(asset.drift_report, worst, "verdict"),
                "unreported",
                rest,
                asset.predictions,
            )

        @task(trigger_rule=TriggerRule.ALL_DONE, max_active_tis_per_dag=1)
        def alert() -> Any:
            return steps.run_step(project, steps.deliver_alerts)

        @task(outlets=[asset.retrain_request], trigger_rule=TriggerRule.ALL_DONE, max_active_tis_per_dag=1)
        def request_retraining() -> Any:
            from iris_core.monitoring import retraining

            requested = steps.run_step(project, retraining.request)
            return steps.name_in_event(asset.retrain_request, requested, "data")

        wait = S3KeySensor(
            task_id="wait_for_predictions",
            bucket_name=settings.predictions_bucket,
            bucket_key=below(f"{settings.predictions_prefix}/"),
            wildcard_match=True,
        )
        owed = unreported()
        report = EvidentlyDriftReportOperator.partial(
            task_id="report", project=project, execution_timeout=timedelta(hours=1)
        ).expand(scoring=owed)
        concluded, joined = verdict(report.output), join_labels()
        actions = [alert(), request_retraining()]
        outcome = EmptyOperator(task_id="outcome", trigger_rule=TriggerRule.NONE_FAILED)

        wait >> [owed, joined]
        joined >> actions
        concluded >> actions
        [report, joined, concluded, *actions] >> outcome

    iris_drift_pipeline()


for found in load_deployment().projects:
    define(found)
