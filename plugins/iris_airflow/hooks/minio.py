"""The object store of an Airflow connection, as the pipelines' errors tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from iris_provider_minio.errors import ConnectionUnusable
from iris_provider_minio.hooks.minio import CONN_ID
from iris_provider_minio.hooks.minio import MinioHook as ProviderMinioHook

if TYPE_CHECKING:
    from iris_core.store.objects import StoreAccess

__all__ = ["CONN_ID", "MinioHook"]


class MinioHook(ProviderMinioHook):
    """The provider's hook; the stack provides `minio_default`, of type `aws`, from its variables.

    :param conn_id: the connection.
    """

    def access(self) -> StoreAccess:
        """Endpoint and credentials of the connection.

        :raises iris_core.errors.ConfigError: there is no such connection, or it lacks endpoint or
            credentials.
        """
        with _as_config_error():
            return super().access()

    async def aaccess(self) -> StoreAccess:
        """Endpoint and credentials of the connection, without blocking the triggerer's loop."""
        with _as_config_error():
            return await super().aaccess()


@contextmanager
def _as_config_error() -> Iterator[None]:
    from iris_core.errors import ConfigError

    try:
        yield
    except ConnectionUnusable as error:
        raise ConfigError(str(error)) from error
