"""The clients of the object store, and their limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

CONNECT_TIMEOUT_S = 4
READ_TIMEOUT_S = 8
RETRIES = 2
"""Together they limit one call to 30 s when the store hangs; a task's own retries outlast an outage."""

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


@dataclass(frozen=True)
class StoreAccess:
    """Address and credentials of the store; `repr` does not show the secret."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str = "us-east-1"


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


def minio_client(access: StoreAccess) -> Minio:
    """minio-py's client, for buckets, versioning, notifications and policies."""
    url = urlsplit(access.endpoint_url)
    return Minio(
        url.netloc,
        access.access_key_id,
        access.secret_access_key,
        secure=url.scheme == "https",
        region=access.region,
        http_client=connections(),
    )


def connections() -> urllib3.PoolManager:
    """Connections for minio-py's clients."""
    return urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
        retries=urllib3.Retry(total=RETRIES, backoff_factor=0.2),
        maxsize=8,
    )
