"""Waits for a table and a staged model; then leaves a mark in the bucket, and one at the version."""

from typing import Any

from airflow.sdk import DAG, task

from iris_provider_minio.notifiers.minio import MinioObjectNotifier
from iris_provider_minio.notifiers.mlflow import MlflowVersionTagNotifier
from iris_provider_minio.sensors.minio import MinioObjectSensor
from iris_provider_minio.sensors.mlflow import MlflowAliasSensor

VERSION = "{{ ti.xcom_pull(task_ids='staged')['version'] }}"
mark = MinioObjectNotifier(bucket="landing", key="marks/{{ run_id }}.done", text="version " + VERSION)
tag = MlflowVersionTagNotifier(model="flowers", version=VERSION, tags={"used_by": "{{ run_id }}"})

with DAG("wait_and_mark", schedule=None):
    table = MinioObjectSensor(task_id="table", bucket="landing", prefix="tables/", suffix=".csv")
    staged = MlflowAliasSensor(task_id="staged", model="flowers", alias="candidate")

    @task(on_success_callback=[mark, tag])
    def score(table: Any, model: Any) -> None:
        print(table["uri"], model["model_uri"])

    score(table.output, staged.output)
