"""A bucket of MinIO as a message queue: `MessageQueueTrigger(scheme="minio", bucket="landing")`."""

from __future__ import annotations

from airflow.providers.common.messaging.providers.base_provider import BaseMessageQueueProvider

from iris_provider_minio.triggers.minio import MinioObjectTrigger


class MinioMessageQueueProvider(BaseMessageQueueProvider):  # type: ignore[misc]
    """Makes `MinioObjectTrigger` of `scheme="minio"`; the other arguments are that trigger's."""

    scheme = "minio"

    def trigger_class(self) -> type[MinioObjectTrigger]:
        """The trigger that watches the bucket."""
        return MinioObjectTrigger
