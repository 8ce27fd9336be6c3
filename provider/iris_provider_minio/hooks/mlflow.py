"""The MLflow server of an Airflow connection."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from iris_provider_minio.endpoint import address_of, mlflow_url
from iris_provider_minio.errors import ConnectionUnusable

if TYPE_CHECKING:
    from iris_provider_minio.alias import RegistryAccess

CONN_ID = "mlflow_default"
TEST_TIMEOUT_S = 5.0


class MlflowHook(BaseHook):
    """Reads a connection of type `mlflow`: host (`https://mlflow.example.com`), port, login, password.

    Without such a connection the variables of MLflow count: `MLFLOW_TRACKING_URI`,
    `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.

    :param conn_id: the connection.
    """

    conn_name_attr = "conn_id"
    default_conn_name = CONN_ID
    conn_type = "mlflow"
    hook_name = "MLflow"

    def __init__(self, *, conn_id: str = CONN_ID) -> None:
        super().__init__()
        self.conn_id = conn_id

    def access(self) -> RegistryAccess:
        """Address and login of the connection.

        :raises ConnectionUnusable: neither connection nor `MLFLOW_TRACKING_URI` name an address.
        """
        try:
            return self._of(self.get_connection(self.conn_id))
        except AirflowNotFoundException:
            return self._of_variables()

    async def aaccess(self) -> RegistryAccess:
        """Address and login of the connection, without blocking the triggerer's loop.

        :raises ConnectionUnusable: neither connection nor `MLFLOW_TRACKING_URI` name an address.
        """
        try:
            return self._of(await self.aget_connection(self.conn_id))
        except AirflowNotFoundException:
            return self._of_variables()

    def test_connection(self) -> tuple[bool, str]:
        """Whether MLflow answers this login, and a sentence; Airflow's button calls this."""
        import urllib3

        try:
            access = self.access()
            url = mlflow_url(access.tracking_uri, "registered-models/search?max_results=1")
            answer = urllib3.request(
                "GET", url, headers=access.headers, timeout=TEST_TIMEOUT_S, retries=False
            )
        except (urllib3.exceptions.HTTPError, ConnectionUnusable) as error:
            return False, f"{type(error).__name__}: {error}"
        return answer.status == 200, f"MLflow answered {answer.status}."

    def _of(self, connection: Any) -> RegistryAccess:
        from iris_provider_minio.alias import RegistryAccess

        if not connection.host:
            raise ConnectionUnusable(
                f"Connection {connection.conn_id} needs a host, such as http://mlflow:5000."
            )
        login = (connection.login, connection.password or "") if connection.login else None
        return RegistryAccess(address_of(connection), login)

    def _of_variables(self) -> RegistryAccess:
        from iris_provider_minio.alias import RegistryAccess

        address = os.environ.get("MLFLOW_TRACKING_URI", "")
        if not address.startswith(("http://", "https://")):
            raise ConnectionUnusable(
                f"There is no Airflow connection {self.conn_id}, and MLFLOW_TRACKING_URI names no server. "
                f'Example: AIRFLOW_CONN_{self.conn_id.upper()}=\'{{"conn_type": "mlflow", '
                '"host": "http://mlflow:5000"}\''
            )
        login = os.environ.get("MLFLOW_TRACKING_USERNAME")
        password = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
        return RegistryAccess(address, (login, password) if login else None)
