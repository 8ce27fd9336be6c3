"""Address and credentials of a store, and minio-py's client for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

import urllib3
from minio import Minio

CONNECT_TIMEOUT_S = 4
READ_TIMEOUT_S = 8
RETRIES = 2
"""Together they limit one call to 30 s when the store hangs; a task's own retries outlast an outage."""


@dataclass(frozen=True)
class StoreAccess:
    """Address and credentials of the store; `repr` does not show the secret."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str = "us-east-1"


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
