"""Starts when an object lands in the bucket `landing`."""

from airflow.sdk import DAG, Asset, AssetWatcher, task

from iris_provider_minio.triggers.minio import MinioObjectTrigger

watcher = AssetWatcher("landing", trigger=MinioObjectTrigger(bucket="landing", suffix=".csv"))

with DAG("start_on_put", schedule=Asset("landing", uri="x-minio://landing/", watchers=[watcher])):

    @task
    def look(triggering_asset_events: object = None) -> None:
        print(triggering_asset_events)

    look()
