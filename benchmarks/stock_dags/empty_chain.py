"""The same three DAGs, tasks and assets with nothing in them: the baseline of `make bench-loop`."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, dag, task

training_data = Asset("stock_training_data")
staged_model = Asset("stock_staged_model")
predictions = Asset("stock_predictions")
drift_report = Asset("stock_drift_report")


def daily_or(asset: Asset) -> AssetOrTimeSchedule:
    return AssetOrTimeSchedule(timetable=CronTriggerTimetable("@daily", timezone="UTC"), assets=asset)


@task
def step(_before: object = None) -> int:
    return 1


@task
def several(_before: object = None) -> list[int]:
    return [1]


@dag(
    dag_id="stock_pipeline", schedule=daily_or(training_data), start_date=datetime(2026, 1, 1), catchup=False
)
def stock_pipeline() -> None:
    validated = step.override(task_id="validate")(
        step.override(task_id="reconcile")(step.override(task_id="wait")())
    )
    trained = step.override(task_id="train")(validated)
    step.override(task_id="register", outlets=[staged_model])(trained)


@dag(
    dag_id="stock_inference", schedule=daily_or(staged_model), start_date=datetime(2026, 1, 1), catchup=False
)
def stock_inference() -> None:
    planned = several.override(task_id="plan")(step.override(task_id="wait")())
    scored = step.override(task_id="score").expand(_before=planned)
    step.override(task_id="publish", outlets=[predictions])(scored)


@dag(dag_id="stock_drift", schedule=daily_or(predictions), start_date=datetime(2026, 1, 1), catchup=False)
def stock_drift() -> None:
    owed = several.override(task_id="unreported")(step.override(task_id="wait")())
    reports = step.override(task_id="report").expand(_before=owed)
    step.override(task_id="verdict", outlets=[drift_report])(reports)


stock_pipeline()
stock_inference()
stock_drift()
