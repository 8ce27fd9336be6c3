"""Starts when an object lands in the bucket `landing`."""

from airflow.sdk import Asset, AssetWatcher, dag, task

from iris_provider_minio.triggers.minio import MinioObjectTrigger

watcher = AssetWatcher("landing", trigger=MinioObjectTrigger(bucket="landing", suffix=".csv"))


@dag(schedule=Asset("landing", uri="x-minio://landing/", watchers=[watcher]))
def start_on_put() -> None:
    task(task_id="look")(print)("{{ triggering_asset_events }}")


start_on_put()
