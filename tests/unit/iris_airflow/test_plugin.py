"""What the plugin adds to Airflow's web server: nothing that answers without Airflow's login."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from iris_airflow.plugin import IrisPlugin
from iris_airflow.views import visits

pytestmark = pytest.mark.unit


def open_routes(plugin: AirflowPlugin) -> Iterator[str]:
    """The routes of a plugin that answer somebody who has not logged in.

    Airflow mounts a plugin's FastAPI app as it is, without any authentication of its own.
    """
    for mounted in plugin.fastapi_apps:
        client = TestClient(mounted["app"], raise_server_exceptions=False, follow_redirects=False)
        for route in mounted["app"].routes:
            if not isinstance(route, APIRoute):
                yield f"{mounted['url_prefix']}{getattr(route, 'path', route)}: not a route to ask"
                continue
            for method in sorted(route.methods):
                path = re.sub(r"\{(\w+)[^}]*\}", r"\1", route.path)
                if client.request(method, path).status_code not in (401, 403):
                    yield f"{method} {mounted['url_prefix']}{route.path}"


def test_no_route_answers_without_login() -> None:
    assert list(open_routes(IrisPlugin())) == []


def test_nothing_is_mounted_that_has_no_login() -> None:
    assert IrisPlugin.fastapi_root_middlewares == []
    assert IrisPlugin.flask_blueprints == []
    assert IrisPlugin.appbuilder_views == []


def test_every_project_is_in_the_navigation(monkeypatch: pytest.MonkeyPatch) -> None:
    visits.forget()
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/team/")
    [view, *_] = IrisPlugin().external_views
    assert view["href"] == "/team/iris/team_a_iris"
    assert (view["name"], view["url_route"], view["destination"]) == ("Iris: iris", "iris-team_a_iris", "nav")
    visits.forget()


def test_an_open_route_would_be_found() -> None:
    def nobody() -> None:
        raise HTTPException(401)

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.get("/closed/{name}", dependencies=[Depends(nobody)])(lambda name: name)
    app.post("/open")(lambda: "come in")

    class Careless(AirflowPlugin):
        name = "careless"
        fastapi_apps = [{"app": app, "url_prefix": "/iris", "name": "careless"}]  # noqa: RUF012

    assert list(open_routes(Careless())) == ["POST /iris/open"]
