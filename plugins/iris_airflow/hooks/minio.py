"""The object store of an Airflow connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

if TYPE_CHECKING:
    from iris_core.store.objects import StoreAccess

CONN_ID = "minio_default"
_EXAMPLE = (
    'Example: AIRFLOW_CONN_MINIO_DEFAULT=\'{"conn_type": "aws", "login": "…", "password": "…", '
    '"extra": {"endpoint_url": "http://minio:9000", "region_name": "us-east-1"}}\''
)


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
        """Endpoint and credentials of the connection.

        :raises iris_core.errors.ConfigError: there is no such connection, or it lacks endpoint or
            credentials.
        """
        with _named(self.conn_id):
            return _access(self.get_connection(self.conn_id))

    async def aaccess(self) -> StoreAccess:
        """Endpoint and credentials of the connection, without blocking the triggerer's loop."""
        with _named(self.conn_id):
            return _access(await self.aget_connection(self.conn_id))


@contextmanager
def _named(conn_id: str) -> Iterator[None]:
    from iris_core.errors import ConfigError

    try:
        yield
    except AirflowNotFoundException as error:
        raise ConfigError(f"There is no Airflow connection {conn_id}. {_EXAMPLE}") from error


def _access(connection: Any) -> StoreAccess:
    from iris_core.errors import ConfigError
    from iris_core.store.objects import StoreAccess

    extra = connection.extra_dejson
    endpoint = extra.get("endpoint_url")
    if not (endpoint and connection.login and connection.password):
        raise ConfigError(
            f"Connection {connection.conn_id} needs login, password and an extra endpoint_url. {_EXAMPLE}"
        )
    return StoreAccess(
        endpoint, connection.login, connection.password, extra.get("region_name") or "us-east-1"
    )
