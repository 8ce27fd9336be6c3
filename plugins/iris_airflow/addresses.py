"""Addresses of Iris's page inside Airflow: whatever links to it, or serves a part of it, asks here.

Everything that a link leads to is shown by the page, behind Airflow's login. A browser need not reach MinIO,
whose address is often one inside a cluster, and no link carries a key to it, as a presigned one does.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from airflow.sdk.configuration import conf

PREFIX = "/iris"
"""Where the plugin's app is mounted in Airflow's API server."""


def page_of(project: str) -> str:
    """The page of a project.

    :param project: the project's full name, such as `team_a_iris`.
    """
    return f"{_airflow()}{PREFIX}/{quote(project, safe='')}"


def page_sentence(project: str) -> str:
    """A sentence in Markdown that leads from a DAG's documentation to the project's page.

    :param project: the project's full name.
    """
    return f"\n[What is staged and why, what was scored, and whether it drifts]({page_of(project)})\n"


def version_of(project: str, version: int | str) -> str:
    """The page of a model version: its model card.

    :param project: the project's full name.
    :param version: the version's number.
    """
    return page_of(project) + version_path(version)


def record_of(project: str, path: str) -> str:
    """The page of a decision: its record in the ledger.

    :param project: the project's full name.
    :param path: the path of the record, as other records refer to it.
    """
    return page_of(project) + record_path(path)


def object_of(project: str, uri: str) -> str:
    """The page that serves a stored object.

    :param project: the project's full name.
    :param uri: `s3://bucket/key`, with or without a version.
    """
    return page_of(project) + object_path(uri)


def version_path(version: int | str) -> str:
    """Where a model version is below a project's page."""
    return f"/versions/{quote(str(version), safe='')}"


def record_path(path: str) -> str:
    """Where a decision is below a project's page."""
    return f"/records/{quote(path)}"


def object_path(uri: str) -> str:
    """Where a stored object is below a project's page."""
    return f"/object?{urlencode({'uri': uri})}"


def _airflow() -> str:
    """Airflow's own address, as far as it is known: without it links are relative to Airflow's host."""
    return str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
