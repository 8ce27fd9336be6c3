"""The login of `iris doctor` for an Airflow that is not part of a local or compose stack."""

from __future__ import annotations

from pydantic import SecretStr

from iris_core.settings.declared import Declared, variable


class AirflowLogin(Declared):
    """An account that may read DAGs and assets; without it, all users of that Airflow must be admins."""

    user: str = variable("IRIS_AIRFLOW_USER", "", "`iris doctor --airflow`: whom it asks as", "monitoring")
    password: SecretStr | None = variable(
        "IRIS_AIRFLOW_PASSWORD", None, "belongs to `IRIS_AIRFLOW_USER`", "a password"
    )

    @property
    def pair(self) -> tuple[str, str] | None:
        """Name and password; None if one of them is missing."""
        return (self.user, self.password.get_secret_value()) if self.user and self.password else None
