"""Variables that the local stack reads besides the pipelines' settings."""

from typing import Annotated, Any

from pydantic import BeforeValidator

from iris_core.settings.declared import Declared, variable


def _port(text: Any) -> Any:
    if isinstance(text, str) and not (text.isascii() and text.isdecimal() and 1024 <= int(text[:6]) <= 65535):
        raise ValueError("not a port from 1024 to 65535")
    return text


FREE = "a free port, kept"

Port = Annotated[int, BeforeValidator(_port)]


class StackVariables(Declared):
    """The stack's folder, ports, and object store."""

    home: str = variable(
        "IRIS_HOME", "", "where the local stack keeps its state", ".iris", computed="`.iris`"
    )
    port_airflow: Port | None = variable(
        "IRIS_PORT_AIRFLOW", None, "local stack: Airflow", "8080", computed=FREE
    )
    port_mlflow: Port | None = variable(
        "IRIS_PORT_MLFLOW", None, "local stack: MLflow", "5000", computed=FREE
    )
    port_store: Port | None = variable(
        "IRIS_PORT_STORE", None, "local stack: object store", "9000", computed=FREE
    )
    port_store_console: Port | None = variable(
        "IRIS_PORT_STORE_CONSOLE", None, "local stack: a real MinIO's console", "9001", computed=FREE
    )
    minio: str = variable(
        "MINIO_BIN",
        "",
        "local stack: a real MinIO",
        "/usr/local/bin/minio",
        computed="`minio` on the `PATH`, else the embedded store",
    )
