"""Registers the plugin with Airflow, through the entry point `airflow.plugins`.

Every component of Airflow imports this module; only the API server asks for the page, so the page and the
libraries behind it are imported when it does.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from iris_airflow.listeners.audit import AuditListener


class IrisPlugin(AirflowPlugin):
    """Registers what Airflow does not find by name: audit listener, page, the deadlines' reference."""

    name = "iris"
    listeners = [AuditListener()]  # noqa: RUF012 - Airflow's own form

    # Attributes of Airflow's class, computed when they are asked for.
    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The page's app, which Airflow mounts in its API server."""
        from iris_airflow.addresses import PREFIX
        from iris_airflow.views.app import app

        return [{"app": app, "url_prefix": PREFIX, "name": "Iris"}]

    @cached_property
    def deadline_references(self) -> list[Any]:  # type: ignore[override]
        """From when a run's promised time counts."""
        from iris_airflow.deadlines import EventRunQueuedAt

        return [EventRunQueuedAt]

    @cached_property
    def external_views(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """An entry in Airflow's navigation for each project."""
        from urllib.parse import urlsplit

        from airflow.sdk.configuration import conf

        from iris_airflow.addresses import PREFIX
        from iris_airflow.views.visits import deployment
        from iris_core.settings.names import page_route

        base = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
        return [
            {
                "name": f"Iris: {label}",
                "href": f"{base}{PREFIX}/{settings.project.full_name}",
                "url_route": page_route(settings.project.full_name),
                "destination": "nav",
                "category": "Iris",
            }
            for label, settings in zip(deployment().labels, deployment().projects, strict=True)
        ]
