"""The assets and their watchers: the nodes of the lineage graph."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Any
from urllib.parse import quote

from airflow.sdk import Asset, AssetAlias, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable
from airflow.sdk.definitions.asset import BaseAsset

from iris_airflow.triggers.kafka import KafkaObjectTrigger, check_extra
from iris_airflow.triggers.minio import MinioObjectTrigger
from iris_airflow.triggers.mlflow_alias import MlflowAliasTrigger
from iris_core.settings.variables import Settings

ALIAS = "staging"


@dataclass(frozen=True)
class Assets:
    """The pipelines' assets, in the order in which they are made."""

    training_data: Asset
    staged_model: Asset
    inference_data: Asset
    predictions: Asset
    labels: Asset
    drift_report: Asset
    retrain_request: Asset


def assets(settings: Settings) -> Assets:
    """The assets of one project, in one team and environment.

    With `KAFKA_TOPIC`, what lands in the bucket has two watchers: an event only wakes, so two are safe.

    The URIs' schemes start with `x-`: for any other scheme, even `s3`, Airflow imports every provider's asset
    handlers, and with them boto3, each time a DAG file is parsed.

    :raises ConfigError: `KAFKA_TOPIC` is set, and Airflow's Kafka provider is missing.
    """
    names = settings.names
    return Assets(
        training_data=_watched(settings, "training_data", settings.train_key, "training"),
        staged_model=Asset(
            names.asset("staged_model"),
            uri=f"x-mlflow://{names.model}/{ALIAS}",
            group=settings.project.name,
            extra={"model_uri": f"models:/{names.model}@{ALIAS}"},
            watchers=[AssetWatcher(f"{names.asset('staged_model')}_watcher", trigger=_alias(settings))],
        ),
        inference_data=_watched(settings, "inference_data", settings.test_key, "scoring"),
        predictions=_stored(
            settings, "predictions", settings.predictions_bucket, settings.predictions_prefix
        ),
        labels=_watched(settings, "labels", settings.labels_prefix, "performance"),
        drift_report=_stored(settings, "drift_report", settings.drift_bucket, settings.drift_prefix),
        retrain_request=Asset(
            names.asset("retrain_request"),
            uri=f"x-iris://{names.model}/retrain_request",
            group=settings.project.name,
        ),
    )


def _alias(settings: Settings) -> MlflowAliasTrigger:
    return MlflowAliasTrigger(
        project=settings.project.full_name,
        model=settings.names.model,
        bucket=settings.bucket,
        key=settings.test_key,
        env=settings.names.section,
        rescore=settings.rescore,
    )


def _stored(settings: Settings, name: str, bucket: str, key: str, **kwargs: Any) -> Asset:
    return Asset(
        settings.names.asset(name),
        uri=f"x-minio://{bucket}/{_in_ascii(key)}",
        group=settings.project.name,
        extra={"s3_uri": f"s3://{bucket}/{key}"},
        **kwargs,
    )


def _in_ascii(key: str) -> str:
    """The key with characters beyond ASCII escaped: Airflow stores no other URI."""
    return "".join(one if one.isascii() else quote(one) for one in key)


def _watched(settings: Settings, name: str, key: str, kind: str) -> Asset:
    asset, bucket = settings.names.asset(name), settings.bucket
    stream = MinioObjectTrigger(bucket=bucket, key=key, kind=kind, env=settings.names.section)
    watchers = [AssetWatcher(f"{asset}_watcher", trigger=stream)]
    if settings.kafka_topic:
        check_extra()
        kafka = KafkaObjectTrigger(bucket=bucket, key=key, topic=settings.kafka_topic)
        watchers.append(AssetWatcher(f"{asset}_kafka_watcher", trigger=kafka))
    return _stored(settings, name, bucket, key, watchers=watchers)


def rest_of(asset: Asset) -> AssetAlias:
    """An outlet by which a run can send the asset again that started its DAG, if it had to leave work."""
    return AssetAlias(f"{asset.name}_rest", group=asset.group)


def daily_or(trigger: BaseAsset) -> AssetOrTimeSchedule:
    """A schedule that starts a run when an asset changes, and once a day to find work without an event.

    Events that come together start one run. Airflow 3.3 knows nothing else; 3.4 must be told, and would start
    one run for each.
    """
    known = signature(AssetOrTimeSchedule).parameters
    together = {name: True for name in ("batch_asset_events",) if name in known}
    daily = CronTriggerTimetable("@daily", timezone="UTC")
    return AssetOrTimeSchedule(timetable=daily, assets=trigger, **together)
