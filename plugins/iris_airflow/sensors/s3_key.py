"""The amazon provider's S3KeySensor, imported when it runs and not when a DAG file is parsed."""

from __future__ import annotations

from collections.abc import Sequence
from glob import escape
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from iris_airflow.hooks.minio import CONN_ID

BOUNDS: dict[str, Any] = {"connect_timeout": 4, "read_timeout": 8, "retries": {"max_attempts": 2}}
"""Limits for boto3, whose defaults block for five minutes when the store hangs."""

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor as ProviderS3KeySensor
    from airflow.sdk import Context


def below(prefix: str) -> str:
    """The pattern of every key that begins with this prefix, whatever characters it has."""
    return f"{escape(prefix)}*"


class S3KeySensor(BaseOperator):
    """Waits for a key in S3, deferred. If the key exists, the task succeeds at once and needs no trigger.

    In a run that an asset event started, the task also succeeds at once: the event says "look now", and the
    owed decision may be about a key that has been deleted meanwhile.

    The provider's module imports boto3 (2 s of each parse), so the provider's sensor is created inside the
    task.

    :param bucket_name: the bucket.
    :param bucket_key: the key; with `wildcard_match` a pattern.
    :param wildcard_match: whether `bucket_key` is a Unix wildcard pattern.
    :param aws_conn_id: the Airflow connection.
    :param poke_interval: seconds between two looks while it waits.
    :param timeout: seconds after which waiting fails.
    """

    template_fields: Sequence[str] = ("bucket_name", "bucket_key")
    ui_color = "#e6f1f2"

    def __init__(
        self,
        *,
        bucket_name: str,
        bucket_key: str,
        wildcard_match: bool = False,
        aws_conn_id: str = CONN_ID,
        poke_interval: float = 30.0,
        timeout: float = 23 * 3600.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bucket_name = bucket_name
        self.bucket_key = bucket_key
        self.wildcard_match = wildcard_match
        self.aws_conn_id = aws_conn_id
        self.poke_interval = poke_interval
        self.timeout = timeout

    def execute(self, context: Context) -> None:
        """Look once; defer to the provider's trigger if the key does not exist."""
        if context["dag_run"].run_type == "asset_triggered":
            return
        sensor = self._sensor()
        if not sensor.poke(context):
            sensor._defer()

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """Continue after the trigger: the key exists, or the event says what is wrong."""
        self._sensor().execute_complete(context, event)

    def _sensor(self) -> ProviderS3KeySensor:
        from airflow.providers.amazon.aws.sensors.s3 import S3KeySensor as ProviderS3KeySensor

        return ProviderS3KeySensor(
            task_id=self.task_id,
            bucket_name=self.bucket_name,
            bucket_key=self.bucket_key,
            wildcard_match=self.wildcard_match,
            aws_conn_id=self.aws_conn_id,
            poke_interval=self.poke_interval,
            timeout=self.timeout,
            deferrable=True,
            botocore_config=BOUNDS,
        )
