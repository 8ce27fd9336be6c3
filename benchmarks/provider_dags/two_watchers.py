"""Two watchers of one bucket: the provider's, and one that only listens."""

from airflow.sdk import DAG, Asset, AssetWatcher

from benchmarks.bare_listener import BareListenerTrigger
from iris_provider_minio.triggers.minio import MinioObjectTrigger

TRIGGERS = {
    "ours": MinioObjectTrigger(bucket="landing", ping_s=1, sweep_s=10.0),
    "bare": BareListenerTrigger(bucket="landing"),
}

for name, trigger in TRIGGERS.items():
    asset = Asset(name, uri=f"x-minio://landing/{name}", watchers=[AssetWatcher(name, trigger=trigger)])
    with DAG(name, schedule=asset):
        pass
