"""Every asset and every watcher: the nodes of the lineage graph."""

from __future__ import annotations

from dataclasses import dataclass

from airflow.sdk import Asset, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable
from airflow.sdk.definitions.asset import BaseAsset

from iris_airflow.triggers.minio import MinioObjectTrigger
from iris_core.config import Settings


@dataclass(frozen=True)
class Assets:
    """The pipeline's assets, in the order in which they come about."""

    training_data: Asset
    staged_model: Asset
    inference_data: Asset
    predictions: Asset
    drift_report: Asset


def assets(settings: Settings) -> Assets:
    """The assets of one team and environment."""
    name = settings.names.asset
    return Assets(
        training_data=_watched(settings, "training_data", settings.train_key, "training"),
        staged_model=Asset(name("staged_model"), uri=f"mlflow://registry/{settings.names.model}/staging"),
        inference_data=_watched(settings, "inference_data", settings.test_key, "scoring"),
        predictions=Asset(
            name("predictions"), uri=f"s3://{settings.predictions_bucket}/{settings.predictions_prefix}"
        ),
        drift_report=Asset(name("drift_report"), uri=f"s3://{settings.drift_bucket}/{settings.drift_prefix}"),
    )


def _watched(settings: Settings, name: str, key: str, kind: str) -> Asset:
    trigger = MinioObjectTrigger(bucket=settings.bucket, key=key, kind=kind, env=settings.platform_env)
    return Asset(
        settings.names.asset(name),
        uri=f"s3://{settings.bucket}/{key}",
        watchers=[AssetWatcher(name=f"{settings.names.asset(name)}_watcher", trigger=trigger)],
    )


def daily_or(trigger: BaseAsset) -> AssetOrTimeSchedule:
    """Runs when an asset changes, and once a day to find what no event told of."""
    return AssetOrTimeSchedule(timetable=CronTriggerTimetable("@daily", timezone="UTC"), assets=trigger)
