"""Writes a small object when a task or a DAG has ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from iris_provider_minio.hooks.minio import CONN_ID, MinioHook

if TYPE_CHECKING:
    from airflow.sdk import Context


class MinioObjectNotifier(BaseNotifier):
    """Writes an object, for other systems or for a DAG that watches the bucket.

    `on_success_callback=MinioObjectNotifier(bucket="marks", key="{{ dag.dag_id }}/{{ run_id }}.done")`.

    :param bucket: the bucket.
    :param key: the key, a template.
    :param text: the content, a template.
    :param content_type: its media type.
    :param conn_id: the Airflow connection of the store, of type `minio` or `aws`.
    """

    template_fields: Sequence[str] = ("bucket", "key", "text")

    def __init__(
        self,
        *,
        bucket: str,
        key: str,
        text: str = "",
        content_type: str = "text/plain; charset=utf-8",
        conn_id: str = CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bucket = bucket
        self.key = key
        self.text = text
        self.content_type = content_type
        self.conn_id = conn_id

    def notify(self, context: Context) -> None:
        """Write the object.

        :raises StoreUnusable: the store refuses, or does not answer.
        """
        from io import BytesIO

        from iris_provider_minio.listing import answering

        data = self.text.encode()
        with answering(f"Writing s3://{self.bucket}/{self.key}"):
            client = MinioHook(conn_id=self.conn_id).get_conn()
            client.put_object(self.bucket, self.key, BytesIO(data), len(data), self.content_type)
