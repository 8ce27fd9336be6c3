"""Addresses of servers, as connections name them, and of what MLflow's REST API answers."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit


def address_of(connection: Any) -> str:
    """The address that a connection's host (with or without a scheme) and port name; "" without a host.

    :param connection: an Airflow connection.
    """
    host = str(connection.host or "")
    if not host:
        return ""
    address = host if "://" in host else f"http://{host}"
    return f"{address}:{connection.port}" if connection.port else address


def is_http(address: str) -> bool:
    """Whether an address is `http://` or `https://` with a host, and a port or none."""
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def mlflow_url(tracking_uri: str, resource: str) -> str:
    """The address of a resource of MLflow's REST API.

    :param tracking_uri: the server's address.
    :param resource: the resource, such as `model-versions/set-tag`.
    """
    return f"{tracking_uri.rstrip('/')}/api/2.0/mlflow/{resource}"


def alias_url(tracking_uri: str) -> str:
    """Where MLflow answers which version an alias names.

    :param tracking_uri: the server's address.
    """
    return mlflow_url(tracking_uri, "registered-models/alias")
