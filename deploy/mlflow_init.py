"""Sets up MLflow's accounts: `python -m deploy.mlflow_init`. It may be run again at any time.

Creates a role and an account for the pipelines, for people who may stage and for readers, and creates the
model and the experiments. Only this program and MLflow itself know the administrator's password,
`MLFLOW_ADMIN_PASSWORD`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import requests

from deploy.provisioning import named, run, sound_projects
from iris_core.errors import RegistryError
from iris_core.settings.variables import Settings

ADMIN = "admin"
ADMIN_PASSWORD = "MLFLOW_ADMIN_PASSWORD"  # noqa: S105 - the variable's name
WORKSPACE = "default"
PATIENCE_S = 20

_GRANT_FIELDS = ("resource_type", "resource_pattern", "permission")
_GRANT = itemgetter(*_GRANT_FIELDS)


@dataclass(frozen=True)
class Role:
    """A role: `grants` maps a type of resource to MLflow's permission on all resources of this type.

    `account` is the first user with this role; the variable `secret` holds its password.
    """

    name: str
    account: str
    secret: str
    grants: Mapping[str, str]


ROLES = (
    # The pipelines delete the second version that a killed attempt made, so they manage versions, not models.
    Role(
        "iris-pipelines",
        "pipelines",
        "MLFLOW_PIPELINES_PASSWORD",
        {"experiment": "EDIT", "registered_model": "EDIT", "registered_model_version": "MANAGE"},
    ),
    Role(
        "iris-staging",
        "staging",
        "MLFLOW_STAGING_PASSWORD",
        {"experiment": "READ", "registered_model": "EDIT"},
    ),
    Role(
        "iris-readers", "reader", "MLFLOW_READER_PASSWORD", {"experiment": "READ", "registered_model": "READ"}
    ),
)


class Accounts:
    """A client of MLflow's REST API for users and roles, logged in as the administrator."""

    def __init__(self, tracking_uri: str, password: str) -> None:
        self._api = f"{tracking_uri.rstrip('/')}/api"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = (ADMIN, password)

    def ask(self, method: str, path: str, **content: Any) -> Any:
        """Send a request; return the JSON of the answer, None if MLflow answers 404.

        :param method: the HTTP method.
        :param path: the path below `/api`.
        :param content: parameters, sent in the query of a GET, otherwise as JSON.
        :raises RegistryError: MLflow does not answer, or refuses.
        """
        sent: dict[str, Any] = {"params" if method == "GET" else "json": content}
        try:
            answer = self._session.request(method, f"{self._api}{path}", timeout=PATIENCE_S, **sent)
        except requests.RequestException as error:
            raise RegistryError(f"{self._api}{path}: no answer from MLflow ({str(error)[:200]}).") from error
        if answer.status_code == requests.codes.not_found:
            return None
        if answer.status_code == requests.codes.unauthorized:
            raise RegistryError(
                f"{self._api}: MLflow refused its administrator. {ADMIN_PASSWORD} must be the password that "
                "MLflow was first started with, or was changed to since."
            )
        if not answer.ok:
            raise RegistryError(
                f"{self._api}{path}: {answer.status_code} {' '.join(answer.text.split())[:200]}"
            )
        return answer.json()

    def ensure_account(self, name: str, password: str) -> None:
        """Create an account with this password, or set the password of an existing one."""
        known = self.ask("GET", "/2.0/mlflow/users/get", username=name)
        path, method = ("update-password", "PATCH") if known else ("create", "POST")
        self.ask(method, f"/2.0/mlflow/users/{path}", username=name, password=password)

    def ensure_role(self, role: Role) -> int:
        """Create or correct a role, with exactly its grants; return its number."""
        listed = self.ask("GET", "/3.0/mlflow/roles/list", workspace=WORKSPACE)["roles"]
        known = {one["name"]: one["id"] for one in listed}
        number: int = known.get(role.name) or self._create_role(role)
        held = self.ask("GET", "/3.0/mlflow/roles/permissions/list", role_id=number)["role_permissions"]
        wanted = {(kind, "*", permission) for kind, permission in role.grants.items()}
        kept = {_GRANT(one): one["id"] for one in held}
        for grant in kept.keys() - wanted:
            self.ask("DELETE", "/3.0/mlflow/roles/permissions/remove", role_permission_id=kept[grant])
        for grant in wanted - kept.keys():
            content = dict(zip(_GRANT_FIELDS, grant, strict=True))
            self.ask("POST", "/3.0/mlflow/roles/permissions/add", role_id=number, **content)
        return number

    def _create_role(self, role: Role) -> int:
        answer = self.ask("POST", "/3.0/mlflow/roles/create", workspace=WORKSPACE, name=role.name)
        return int(answer["role"]["id"])

    def ensure_assigned(self, account: str, number: int) -> None:
        """Give an account a role, unless it has the role already."""
        held = self.ask("GET", "/3.0/mlflow/users/roles/list", username=account)["roles"]
        if number not in {role["id"] for role in held}:
            self.ask("POST", "/3.0/mlflow/roles/assign", username=account, role_id=number)

    def ensure_names(self, settings: Settings) -> None:
        """Create the settings' model and experiments as administrator, since a creator has all rights."""
        names = settings.names
        if self.ask("GET", "/2.0/mlflow/registered-models/get", name=names.model) is None:
            self.ask("POST", "/2.0/mlflow/registered-models/create", name=names.model)
        for name in (names.training_experiment, names.inference_experiment, names.drift_experiment):
            if self.ask("GET", "/2.0/mlflow/experiments/get-by-name", experiment_name=name) is None:
                self.ask("POST", "/2.0/mlflow/experiments/create", name=name)


def provision(environ: Mapping[str, str]) -> str:
    """Create roles, accounts, models and experiments of the environment's projects; return a summary.

    :raises IrisError: a variable is missing, or MLflow does not answer or refuses.
    """
    administrator, *passwords = named(environ, [ADMIN_PASSWORD, *(role.secret for role in ROLES)])
    projects, left_out = sound_projects(environ)
    address = projects[0].tracking_uri
    accounts = Accounts(address, administrator)
    for role, password in zip(ROLES, passwords, strict=True):
        accounts.ensure_account(role.account, password)
        accounts.ensure_assigned(role.account, accounts.ensure_role(role))
    for settings in projects:
        accounts.ensure_names(settings)
    told = ", ".join(f"{role.account} ({role.name})" for role in ROLES)
    models = ", ".join(settings.names.model for settings in projects)
    return f"{left_out}{address}: accounts {told}; model {models}"


def main() -> int:
    """Provision the environment's MLflow; return the exit code."""
    return run(provision)


if __name__ == "__main__":
    sys.exit(main())
