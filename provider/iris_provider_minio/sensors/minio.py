"""Waits for an object in MinIO."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator

from iris_provider_minio.hooks.minio import CONN_ID, MinioHook

if TYPE_CHECKING:
    from airflow.sdk import Context


class MinioObjectSensor(BaseSensorOperator):
    """Waits, deferred, until an object exists; it goes on within a second of the upload.

    Returns the object: `event`, `uri`, `bucket`, `key`, `version_id`, `etag`, `size`, `landed_at`. Of several
    it is the first by its key. An object that was deleted again does not exist. To start a DAG for each
    object, use `MinioObjectTrigger` instead.

    :param bucket: the bucket.
    :param prefix: the beginning of the key; a whole key is one, too.
    :param suffix: the end of the key.
    :param conn_id: the Airflow connection of the store, of type `minio` or `aws`.
    :param kwargs: Airflow's own, among them `timeout` (seconds) and `soft_fail`.
    """

    template_fields: Sequence[str] = ("bucket", "prefix", "suffix")

    def __init__(
        self, *, bucket: str, prefix: str = "", suffix: str = "", conn_id: str = CONN_ID, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.bucket = bucket
        self.prefix = prefix
        self.suffix = suffix
        self.conn_id = conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Look once; if there is no such object, wait in the triggerer."""
        from iris_provider_minio.listing import existing
        from iris_provider_minio.triggers.awaited import MinioObjectAwaited
        from iris_provider_minio.triggers.minio import told

        access = MinioHook(conn_id=self.conn_id).access()
        found = existing(access, self.bucket, self.prefix, self.suffix)
        if found is None:
            self.defer(
                trigger=MinioObjectAwaited(self.bucket, self.prefix, self.suffix, self.conn_id),
                method_name="execute_complete",
                timeout=timedelta(seconds=self.timeout),
            )
        return told(found)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Return the object."""
        return event
