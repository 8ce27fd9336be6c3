"""
### Score

A newly staged model (`staged_model`) or new inference data (`inference_data`) starts this DAG, which then looks at
the objects that the events name. It also runs once a day and looks at everything, in case an event was lost. What is
owed is computed from bucket, registry and ledger: one scoring for each landed object version, with the model that is
staged.

`wait → plan → score (one task per shard) → publish`

| task | does | ends early when |
|---|---|---|
| wait_for_inference_data | waits for the inference data, deferred | |
| plan | resolves the alias `staging` once to a version, lists the objects that this version has not scored, cuts them into shards: small objects together, a big CSV by its size | nothing is owed, or no model is staged: skipped |
| score | finds where its rows begin, streams its shard through the model; labels are counted, never shown to the model; rows that cannot be scored are set apart with their reason | the table is bad: recorded as rejected; the task fails if nothing in its shard can be scored |
| publish | publishes each object as a whole or not at all, in row order: predictions at a timestamped key, rejected rows, manifest, MLflow run, ledger record | a larger share of rows than `MAX_REJECT_SHARE` cannot be scored: recorded as rejected |

A shard that fails is retried alone. A run takes as many shards as Airflow maps; the rest stays owed, and `publish`
starts the next run for it at once (`inference_data_rest`).

Its outlet `predictions` starts drift monitoring.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import TriggerRule, dag, task

from iris_airflow.addresses import page_sentence
from iris_airflow.assets import assets, daily_or, rest_of
from iris_airflow.deadlines import promised
from iris_airflow.linked import publish_scored
from iris_airflow.links import PUBLISHED
from iris_airflow.sensors.s3_key import S3KeySensor, below
from iris_airflow.steps import DEFAULT_ARGS, look_of, name_in_event, rest_is_next, run_portion, run_step
from iris_core.settings.variables import Settings, load_deployment


def define(settings: Settings) -> None:
    """The DAG of one project."""
    asset, project = assets(settings), settings.project.full_name
    rest = rest_of(asset.inference_data)

    @dag(
        dag_id=settings.names.inference_dag,
        schedule=daily_or(asset.staged_model | asset.inference_data),
        start_date=datetime(2026, 1, 1),
        catchup=False,
        deadline=promised(settings),
        default_args=DEFAULT_ARGS,
        tags=[*settings.project.tags, "inference"],
        doc_md=__doc__ + page_sentence(project),
    )
    def iris_batch_inference() -> None:
        @task(inlets=[asset.inference_data, asset.staged_model])
        def plan() -> Any:
            from iris_core import scoring

            look = look_of(project, asset.inference_data, staged=asset.staged_model)
            return run_portion(project, scoring.plan_handed, look)

        @task(execution_timeout=timedelta(hours=2))
        def score(shard: dict[str, Any]) -> Any:
            from iris_core import scoring

            return run_step(project, scoring.score_handed, scoring.Handed(**shard))

        @task(
            outlets=[asset.predictions, rest],
            trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS,
            max_active_tis_per_dag=1,
        )
        def publish(scored: Any) -> Any:
            from iris_core import scoring

            done = run_step(project, publish_scored, [scoring.Handed(**one) for one in scored])
            return rest_is_next(
                name_in_event(asset.predictions, done, "scoring"), "plan", rest, asset.inference_data
            )

        wait = S3KeySensor(
            task_id="wait_for_inference_data",
            bucket_name=settings.bucket,
            bucket_key=below(settings.test_key) if settings.test_key.endswith("/") else settings.test_key,
            wildcard_match=settings.test_key.endswith("/"),
        )
        owed = plan()

        wait >> owed
        publish(score.expand(shard=owed)).operator.operator_extra_links = PUBLISHED  # type: ignore[attr-defined]

    iris_batch_inference()


for found in load_deployment().projects:
    define(found)
