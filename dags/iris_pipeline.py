"""
### Train and stage

New training data (`training_data`, announced by the MinIO watcher) starts this DAG, or drift that requests a
retraining (`retrain_request`, with `RETRAIN_ON_DRIFT`). It also runs once a day, in case an event was lost. Events
only say where to look: **what is owed is computed from the bucket and the ledger**. A run that an event started looks
at the objects that the event names, any other at everything. So a run with nothing owed is skipped, and a lost event
costs time, not data.

`wait → reconcile → validate → train → register`

| task | does | ends early when |
|---|---|---|
| wait_for_training_data | waits for the training CSV, deferred | |
| reconcile | picks the newest version without a record; records older ones as superseded, and the same bytes again as unchanged; without such a version, picks the newest again if drift requested it | nothing is owed: skipped |
| validate | checks header, types, missing values, ranges, classes | the table is bad: quarantined; the run fails with a message that says what to do |
| train | trains a scikit-learn pipeline, seeded, with a stratified holdout; logs everything to MLflow | |
| register | applies the gate: threshold, majority class, champion on the same holdout; moves stage `Staging` and alias `staging` to the winner | refused, or a human is asked: skipped with the reason in its XCom `note`, no event |

With `PROMOTION_APPROVAL=manual`, `register` asks a human about a model that passes the gate, and is skipped; no run
waits. The request is in the ledger, on the channels and in the XCom `note`, and says how to answer: `iris approve
VERSION --reason …` stages the model, `iris refuse VERSION --reason …` does not. A newer model's request replaces an
older one's.

Its outlet `staged_model` starts batch inference. The ledger under `ledger/` in the team's bucket holds who decided
what, when and why: `iris ledger`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import dag, task

from iris_airflow.addresses import page_sentence
from iris_airflow.assets import assets, daily_or
from iris_airflow.deadlines import promised
from iris_airflow.operators.mlflow_register_model import MlflowRegisterModelOperator
from iris_airflow.sensors.s3_key import S3KeySensor
from iris_airflow.steps import DEFAULT_ARGS, look_of, run_step
from iris_core.settings.variables import Settings, load_deployment


def define(settings: Settings) -> None:
    """The DAG of one project."""
    asset, project = assets(settings), settings.project.full_name

    @dag(
        dag_id=settings.names.training_dag,
        schedule=daily_or(asset.training_data | asset.retrain_request),
        start_date=datetime(2026, 1, 1),
        catchup=False,
        deadline=promised(settings),
        default_args=DEFAULT_ARGS,
        tags=[*settings.project.tags, "training"],
        doc_md=__doc__ + page_sentence(project),
    )
    def iris_pipeline() -> None:
        @task(inlets=[asset.training_data, asset.retrain_request])
        def reconcile() -> Any:
            from iris_core import training

            look = look_of(project, asset.training_data, asset.retrain_request)
            return run_step(project, training.reconcile_training, look)

        @task(execution_timeout=timedelta(hours=1))
        def validate(work: dict[str, Any]) -> Any:
            from iris_core import training

            return run_step(project, training.validate, training.TrainingWork(**work))

        @task(execution_timeout=timedelta(hours=2), max_active_tis_per_dag=1)
        def train(work: dict[str, Any]) -> Any:
            from iris_core import training

            return run_step(project, training.train, training.TrainingWork(**work))

        wait = S3KeySensor(
            task_id="wait_for_training_data", bucket_name=settings.bucket, bucket_key=settings.train_key
        )
        owed = reconcile()
        trained = train(validate(owed))  # type: ignore[arg-type]  # a task's result, filled in when it runs
        register = MlflowRegisterModelOperator(
            task_id="register",
            trained=trained,
            project=project,
            outlets=[asset.staged_model],
            max_active_tis_per_dag=1,
        )

        wait >> owed
        trained >> register

    iris_pipeline()


for found in load_deployment().projects:
    define(found)
