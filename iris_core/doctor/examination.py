"""Runs all checks, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from iris_core.doctor.airflow import check_airflow
from iris_core.doctor.airflow_api import AirflowApi
from iris_core.doctor.clocks import check_clocks
from iris_core.doctor.finding import Diagnosis, Level, ill, well
from iris_core.doctor.owed import check_owed
from iris_core.doctor.registry import check_mlflow
from iris_core.doctor.rights import check_rights
from iris_core.doctor.store import check_store
from iris_core.errors import IrisError
from iris_core.ledger.workspace import Workspace
from iris_core.settings.projects import Deployment

__all__ = ["Diagnosis", "Level", "check_projects", "examine", "is_fit"]


def examine(
    workspace: Workspace, airflow: AirflowApi | None = None, is_uploader: bool = False
) -> Iterator[Diagnosis]:
    """Check everything that the pipelines need. Objects that are written for a check are removed again.

    :param workspace: settings, store and ledger.
    :param airflow: the client of Airflow; None if its address is unknown.
    :param is_uploader: whether the credentials are an uploader's instead of the pipelines'.
    """
    settings, store = workspace.settings, workspace.store
    servers = {"the store": settings.s3_endpoint_url, "MLflow": f"{settings.tracking_uri.rstrip('/')}/health"}
    if airflow:
        servers["Airflow"] = f"{airflow.address}/api/v2/monitor/health"
    yield from check_clocks({name: url for name, url in servers.items() if url.startswith("http")})
    found = list(check_store(store, settings, may_write=not is_uploader))
    yield from found
    yield from check_mlflow(settings)
    if airflow:
        yield from check_airflow(airflow, settings.names)
    if is_fit(found):
        yield from check_rights(store, settings, are_pipelines=not is_uploader)
        yield from _owed(workspace)


def check_projects(deployment: Deployment) -> Iterator[Diagnosis]:
    """Tell which projects there are, and what is wrong with the files of those that cannot run."""
    if deployment.projects:
        yield well("projects", ", ".join(deployment.labels))
    for file, error in deployment.broken:
        yield ill("projects", str(error), f"Correct {file.path} or the variable: its DAGs do not run.")


def _owed(workspace: Workspace) -> Iterator[Diagnosis]:
    try:
        yield from check_owed(workspace)
    except IrisError as error:
        yield ill("owed", str(error), "Correct what the sentence says, then ask again.")


def is_fit(findings: Iterable[Diagnosis]) -> bool:
    """Whether no check found that something does not work."""
    return all(finding.level != "ill" for finding in findings)
