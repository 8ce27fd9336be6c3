"""The object store, as Airflow's connection describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

if TYPE_CHECKING:
    from iris_core.storage import StoreAccess

CONN_ID = "minio_default"


class MinioHook(BaseHook):
    """Reads a connection of type `aws` (login, password, extra `endpoint_url`, `region_name`).

    :param conn_id: the connection; the stack provides `minio_default` from its variables.
    """

    conn_name_attr = "conn_id"
    default_conn_name = CONN_ID
    hook_name = "MinIO (Iris)"

    def __init__(self, *, conn_id: str = CONN_ID) -> None:
        super().__init__()
        self.conn_id = conn_id

    def access(self) -> StoreAccess:
        """Endpoint and credentials.

        :raises iris_core.errors.ConfigError: the connection lacks one of them.
        """
        return _access(self.get_connection(self.conn_id))

    async def aaccess(self) -> StoreAccess:
        """The same, without blocking the triggerer's loop."""
        return _access(await self.aget_connection(self.conn_id))


def _access(connection: Any) -> StoreAccess:
    from iris_core.errors import ConfigError
    from iris_core.storage import StoreAccess

    extra = connection.extra_dejson
    endpoint = extra.get("endpoint_url")
    if not (endpoint and connection.login and connection.password):
        raise ConfigError(
            f"Connection {connection.conn_id} needs login, password and an extra endpoint_url. Example: "
            'AIRFLOW_CONN_MINIO_DEFAULT=\'{"conn_type": "aws", "login": "…", "password": "…", '
            '"extra": {"endpoint_url": "http://minio:9000", "region_name": "us-east-1"}}\''
        )
    return StoreAccess(
        endpoint, connection.login, connection.password, extra.get("region_name") or "us-east-1"
    )
