"""The object store of an Airflow connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from iris_provider_minio.endpoint import address_of, is_http
from iris_provider_minio.errors import ConnectionUnusable

if TYPE_CHECKING:
    from minio import Minio

    from iris_provider_minio.access import StoreAccess

CONN_ID = "minio_default"
_EXAMPLE = (
    'Example: AIRFLOW_CONN_MINIO_DEFAULT=\'{"conn_type": "minio", "login": "…", "password": "…", '
    '"extra": {"endpoint_url": "http://minio:9000", "region_name": "us-east-1"}}\''
)


class MinioHook(BaseHook):
    """Reads a connection of type `minio` or `aws`: login, password, extra `endpoint_url` and `region_name`.

    Instead of `endpoint_url` a connection may have a host (`minio`, or `https://minio.example.com`) and a
    port.

    :param conn_id: the connection.
    """

    conn_name_attr = "conn_id"
    default_conn_name = CONN_ID
    conn_type = "minio"
    hook_name = "MinIO"

    def __init__(self, *, conn_id: str = CONN_ID) -> None:
        super().__init__()
        self.conn_id = conn_id

    def access(self) -> StoreAccess:
        """Endpoint and credentials of the connection.

        :raises ConnectionUnusable: there is no such connection, or it lacks endpoint or credentials.
        """
        with _named(self.conn_id):
            return _access(self.get_connection(self.conn_id))

    async def aaccess(self) -> StoreAccess:
        """Endpoint and credentials of the connection, without blocking the triggerer's loop.

        :raises ConnectionUnusable: there is no such connection, or it lacks endpoint or credentials.
        """
        with _named(self.conn_id):
            return _access(await self.aget_connection(self.conn_id))

    def get_conn(self) -> Minio:
        """minio-py's client."""
        from iris_provider_minio.access import minio_client

        return minio_client(self.access())

    def test_connection(self) -> tuple[bool, str]:
        """Whether the store accepts the credentials, and a sentence; Airflow's button calls this."""
        from minio.error import MinioException, S3Error
        from urllib3.exceptions import HTTPError

        try:
            buckets = self.get_conn().list_buckets()
        except S3Error as error:
            if error.code == "AccessDenied":
                return True, "The store accepts the credentials. They may not list buckets."
            return False, f"{error.code}: {error.message}"
        except (MinioException, HTTPError, OSError, ConnectionUnusable, ValueError) as error:
            return False, f"{type(error).__name__}: {error}"
        return True, f"The store accepts the credentials and shows {len(buckets)} buckets."


@contextmanager
def _named(conn_id: str) -> Iterator[None]:
    try:
        yield
    except AirflowNotFoundException as error:
        raise ConnectionUnusable(f"There is no Airflow connection {conn_id}. {_EXAMPLE}") from error


def _access(connection: Any) -> StoreAccess:
    from iris_provider_minio.access import StoreAccess

    extra = connection.extra_dejson
    endpoint = extra.get("endpoint_url") or address_of(connection)
    if not (endpoint and connection.login and connection.password):
        raise ConnectionUnusable(
            f"Connection {connection.conn_id} needs login, password and an extra endpoint_url. {_EXAMPLE}"
        )
    if not is_http(endpoint):
        raise ConnectionUnusable(
            f"The endpoint_url of connection {connection.conn_id} should begin with http:// or https://, and "
            f"have a host, and a port or none. {_EXAMPLE}"
        )
    return StoreAccess(
        endpoint, connection.login, connection.password, extra.get("region_name") or "us-east-1"
    )
