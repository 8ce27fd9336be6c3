"""Pages from templates, every value escaped, with the headers that keep other sites and stray scripts out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from iris_airflow.addresses import object_path, record_path, version_path
from iris_airflow.views import charts, stored
from iris_airflow.views.visits import Visit
from iris_core.errors import ObjectMissing
from iris_core.settings.places import Place
from iris_core.settings.variables import Settings
from iris_core.store.versions import parse_address

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
    "frame-ancestors 'self'; base-uri 'none'"
)
_Sent = TypeVar("_Sent", bound=Response)


def secured(response: _Sent, policy: str = PAGE_POLICY) -> _Sent:
    """A response with the headers that every route sends.

    :param response: the response.
    :param policy: its Content-Security-Policy.
    """
    response.headers["Content-Security-Policy"] = policy
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def render(
    request: Request, template: str, visit: Visit | None = None, status: int = 200, **values: Any
) -> HTMLResponse:
    """A page from a template.

    :param request: the request that it answers.
    :param template: its file's name.
    :param visit: who asks, about which project; None for a page that is about none.
    :param status: the status code.
    :param values: what the template shows.
    """
    known = {"visit": visit, "base": request.scope.get("root_path", ""), "charts": charts, **values}
    if visit:
        known["to"] = Addresses(known["base"], visit.settings)
    return secured(HTMLResponse(_templates().get_template(template).render(known), status_code=status))


def page_address(request: Request, settings: Settings, **query: str) -> str:
    """The address of a project's page.

    :param request: a request to the page's app.
    :param settings: the project's.
    :param query: what is added after `?`.
    """
    return f"{Addresses(request.scope.get('root_path', ''), settings).page}?{urlencode(query)}"


class Addresses:
    """Addresses that the page links to: parts of the page, Airflow's runs, MLflow.

    :param base: the path at which the page's app is mounted.
    :param settings: the project's.
    """

    def __init__(self, base: str, settings: Settings) -> None:
        self.base = base
        self._settings = settings

    @property
    def page(self) -> str:
        return f"{self.base}/{quote(self._settings.project.full_name, safe='')}"

    def record(self, path: str) -> str:
        """A record of the ledger."""
        return self.page + record_path(path)

    def version(self, number: int) -> str:
        """The story of a model version."""
        return self.page + version_path(number)

    def stored(self, uri: str) -> str:
        """An object of the store; empty if the page does not serve it."""
        try:
            address = parse_address(uri)
        except ObjectMissing:
            return ""
        asked = Place("the object", address.bucket, address.key)
        if not any(place.overlaps(asked) for place in stored.places(self._settings)):
            return ""
        return self.page + object_path(uri)

    def decide(self, name: str, target: object) -> str:
        """The confirmation page of a decision."""
        return f"{self.page}/decide/{name}?{urlencode({'target': target})}"

    def airflow_run(self, dag_id: str, run_id: str) -> str:
        """A run in Airflow's UI; empty for a decision without one."""
        top = self.base.removesuffix("/iris")
        return (
            f"{top}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}" if dag_id and run_id else ""
        )

    def dag(self, dag_id: str) -> str:
        """A DAG in Airflow's UI."""
        return f"{self.base.removesuffix('/iris')}/dags/{quote(dag_id, safe='')}"

    def mlflow_run(self, run_id: str) -> str:
        """A run in MLflow's UI; empty without one, or if MLflow has no address for browsers."""
        return f"{self._mlflow}/#/runs/{quote(run_id, safe='')}" if run_id and self._mlflow else ""

    def mlflow_version(self, number: int) -> str:
        """A model version in MLflow's UI; empty if MLflow has no address for browsers."""
        name = quote(self._settings.names.model, safe="")
        return f"{self._mlflow}/#/models/{name}/versions/{number}" if self._mlflow else ""

    @property
    def _mlflow(self) -> str:
        address = str(self._settings.tracking_ui_url or self._settings.tracking_uri)
        return address.rstrip("/") if address.startswith(("http://", "https://")) else ""


@cache
def _templates() -> Environment:
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "when": when,
        "ago": ago,
        "number": number,
        "percent": percent,
        "key": key,
        "took": took,
        "brief": brief,
    }
    return found


def when(moment: datetime) -> str:
    """A time in UTC, to the minute."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago something was.

    :param moment: when it was.
    :param now: the time that is asked about.
    """
    seconds = (now - moment) / timedelta(seconds=1)
    return f"{took(seconds)} ago" if seconds >= 10 else "just now"


def took(seconds: float) -> str:
    """A span of time in its largest unit."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s" if seconds >= 10 else f"{max(seconds, 0):.1f} s"


def number(value: float | None) -> str:
    """A number with at most four digits that count; a dash for none."""
    if value is None:
        return "–"
    return (
        f"{value:,}"
        if isinstance(value, int)
        else f"{value:,.0f}"
        if abs(value) >= 10_000
        else f"{value:.4g}"
    )


def percent(value: float | None) -> str:
    """A share in percent; a dash for none."""
    return "–" if value is None else f"{value:.1%}"


def brief(text: str) -> str:
    """A sentence without the version ids of the addresses in it."""
    return re.sub(r"\?versionId=[\w.-]+", "", text)


def key(uri: str) -> str:
    """The bucket and key of an address, without its version."""
    return uri.removeprefix("s3://").partition("?versionId=")[0]
