"""obstore's client of the object store, and its limits; minio-py's is the provider's."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.store import S3Store

from iris_provider_minio.access import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, RETRIES, StoreAccess

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

_CLIENT: ClientConfig = {
    "allow_http": True,
    "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
    "timeout": f"{READ_TIMEOUT_S}s",
}
_RETRY: RetryConfig = {
    "max_retries": RETRIES,
    "retry_timeout": timedelta(seconds=READ_TIMEOUT_S),
    "backoff": {
        "init_backoff": timedelta(milliseconds=200),
        "max_backoff": timedelta(seconds=2),
        "base": 2,
    },
}


def bucket_client(access: StoreAccess, name: str) -> S3Store:
    """obstore's client of one bucket, for objects."""
    return S3Store(
        name,
        endpoint=access.endpoint_url,
        access_key_id=access.access_key_id,
        secret_access_key=access.secret_access_key,
        region=access.region,
        virtual_hosted_style_request=False,
        client_options=_CLIENT,
        retry_config=_RETRY,
    )
