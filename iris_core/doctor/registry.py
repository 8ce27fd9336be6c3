"""Checks of MLflow: it answers, accepts these credentials, and refuses requests without any."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from iris_core.doctor.finding import Diagnosis, ill, note, well
from iris_core.models.registry import ALIAS
from iris_core.settings.variables import Settings
from iris_provider_minio.endpoint import alias_url
from iris_provider_minio.errors import NOT_FOUND

CHECK = "mlflow"
PATIENCE_S = 7.0
WITHOUT_LOGIN = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"
"""Requested without a login. Only this check requests it, so a refusal in MLflow's log is no alarm."""


def check_mlflow(settings: Settings) -> Iterator[Diagnosis]:
    """Request the alias of the team's model with the login, and something else without one."""
    uri = settings.tracking_uri.rstrip("/")
    if not uri.startswith("http"):
        yield note(CHECK, f"{uri} is no server: nothing to ask")
        return
    try:
        answer = httpx.get(
            alias_url(uri),
            params={"name": settings.names.model, "alias": ALIAS},
            auth=settings.tracking_login,
            trust_env=False,
            timeout=PATIENCE_S,
        )
    except httpx.HTTPError as error:
        yield ill(CHECK, f"{uri} does not answer ({error})", "Start it, or correct MLFLOW_TRACKING_URI.")
        return
    yield _answered(uri, settings, answer)
    if settings.tracking_login and answer.status_code not in (401, 403):
        nobody = httpx.get(f"{uri}{WITHOUT_LOGIN}", trust_env=False, timeout=PATIENCE_S)
        if nobody.status_code == httpx.codes.UNAUTHORIZED:
            yield well(CHECK, "nobody is let in without a login")
        else:
            todo = "Start it with --app-name basic-auth: docs/kubernetes.md."
            yield note(CHECK, f"{uri} lets in whoever asks, although we have a login", todo)


def _answered(uri: str, settings: Settings, answer: httpx.Response) -> Diagnosis:
    if answer.is_success:
        version = answer.json()["model_version"]["version"]
        return well(CHECK, f"{uri} answers: version {version} of {settings.names.model} is staged")
    if answer.status_code in (401, 403):
        todo = "Check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and the account's role."
        hosts = " Or --allowed-hosts of the server lacks this name." if answer.status_code == 403 else ""
        return ill(CHECK, f"{uri} refused the login ({answer.status_code})", todo + hosts)
    try:
        code = answer.json().get("error_code", "")
    except ValueError:
        code = ""
    if code in NOT_FOUND:
        return well(CHECK, f"{uri} answers: no version of {settings.names.model} is staged yet")
    return ill(CHECK, f"{uri} answered {answer.status_code} {code}".strip(), "Look into MLflow's log.")
